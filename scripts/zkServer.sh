#!/usr/bin/env bash
# Starts, stops and asks a Rookeeper server; commands, answers, exit codes and environment are those of Apache's script.
#   zkServer.sh [--config DIR] start|start-foreground|stop|version|restart|status|print-cmd [CFG]
# Environment: ZOOCFGDIR ZOOCFG ZOO_LOG_DIR ZOO_LOG_FILE ZOOPIDFILE ZOO_DATADIR_AUTOCREATE_DISABLE ZOO_NOEXEC
#              SERVER_JVMFLAGS JVMFLAGS (their -D settings) ROOKEEPER_BIN
# Without any configuration file the built-in settings are used: 127.0.0.1:2181, data in ./rookeeper-data.
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
home=$(dirname "$here")

if [ "${1:-}" = --config ] && [ $# -gt 1 ]; then ZOOCFGDIR=$2; shift 2; fi
command=${1:-}
if [ -z "${ZOOCFGDIR:-}" ]; then
  if [ -e "$home/conf" ]; then ZOOCFGDIR=$home/conf; else ZOOCFGDIR=$home/etc/zookeeper; fi
fi
# shellcheck disable=SC1090,SC1091
for file in zookeeper-env.sh java.env; do if [ -f "$ZOOCFGDIR/$file" ]; then . "$ZOOCFGDIR/$file"; fi; done
config=$ZOOCFGDIR/${ZOOCFG:-zoo.cfg}
# A plain name is looked up in the configuration directory, a path is taken as it is.
case ${2:-} in '') ;; */*) config=$2 ;; *) config=$ZOOCFGDIR/$2 ;; esac

find_binary() {
  local candidate
  for candidate in "${ROOKEEPER_BIN:-}" "$here/rookeeper" "$home/bin/rookeeper" "$home/target/release/rookeeper" "$(command -v rookeeper)"; do
    if [ -n "$candidate" ] && [ -x "$candidate" ]; then echo "$candidate"; return; fi
  done
  echo "Error: no rookeeper binary; build it with cargo build --release, or set ROOKEEPER_BIN." >&2
  exit 1
}
setting() { [ -f "$config" ] && sed -n "s/^[[:space:]]*$1[[:space:]]*[=:][[:space:]]*//p" "$config" | sed 's/[[:space:]]*$//' | tail -1; }

if [ -f "$config" ] || [ -n "${2:-}" ]; then
  echo "Using config: $config" >&2
  server=(server "$config") data_dir=$(setting dataDir)
else
  echo "No config at $config: using built-in settings" >&2
  server=() data_dir=$PWD/rookeeper-data
fi
log_dir=${ZOO_LOG_DIR:-$home/logs}
out=$log_dir/zookeeper-${USER:-}-server-${HOSTNAME:-}.out
log_file=${ZOO_LOG_FILE:-zookeeper-${USER:-}-server-${HOSTNAME:-}.log}
defines=()
if [ -n "${ZOO_DATADIR_AUTOCREATE_DISABLE:-}" ]; then defines+=(-Dzookeeper.datadir.autocreate=false); fi

require_data_dirs() {
  local log=; log=$(setting dataLogDir)
  [ -n "${ZOO_DATADIR_AUTOCREATE_DISABLE:-}" ] || return 0
  [ -d "$data_dir/version-2" ] || { echo "ZooKeeper data directory is missing at $data_dir fix the path or run initialize"; exit 1; }
  [ -z "$log" ] || [ -d "$log/version-2" ] || { echo "ZooKeeper txnlog directory is missing at $log fix the path or run initialize"; exit 1; }
}
pid_file() {
  if [ -z "${ZOOPIDFILE:-}" ]; then ZOOPIDFILE=${data_dir:-.}/zookeeper_server.pid; fi
  mkdir -p "$(dirname "$ZOOPIDFILE")"
}
start() {
  printf 'Starting zookeeper ... '
  if [ -f "$ZOOPIDFILE" ] && kill -0 "$(cat "$ZOOPIDFILE")" 2>/dev/null; then
    echo "already running as process $(cat "$ZOOPIDFILE")."; exit 1
  fi
  local binary; binary=$(find_binary) || exit 1
  mkdir -p "$log_dir"
  nohup "$binary" "${server[@]}" "${defines[@]}" "-Dzookeeper.log.dir=$log_dir" "-Dzookeeper.log.file=$log_file" >"$out" 2>&1 </dev/null &
  printf '%s' $! >"$ZOOPIDFILE" || { echo FAILED TO WRITE PID; exit 1; }
  sleep 1
  if kill -0 "$(cat "$ZOOPIDFILE")" 2>/dev/null; then echo STARTED; else echo FAILED TO START; exit 1; fi
}
stop() {
  printf 'Stopping zookeeper ... '
  if [ ! -f "$ZOOPIDFILE" ]; then echo "no zookeeper to stop (could not find file $ZOOPIDFILE)"; return; fi
  kill "$(cat "$ZOOPIDFILE")"; rm "$ZOOPIDFILE"; sleep 1; echo STOPPED
}
client_address() { # sets address and port from the static file, the server line of myid, or the dynamic file
  address=$(setting clientPortAddress) port=$(setting clientPort)
  if [ ${#server[@]} = 0 ]; then address=localhost port=2181; fi
  if ! [[ $port =~ ^[0-9]+$ ]]; then
    local id line dynamic; id=$(cat "$data_dir/myid" 2>/dev/null)
    [[ $id =~ ^[0-9]+$ ]] || { echo "myid could not be determined, will not able to locate clientPort in the server configs."; return; }
    line=$(setting "server.$id")
    if [[ $line != *\;* ]]; then
      echo "Client port not found in static config file. Looking in dynamic config file."
      dynamic=$(setting dynamicConfigFile); line=$([ -n "$dynamic" ] && grep "^[[:space:]]*server.$id=.*;" "$dynamic")
    fi
    [[ $line == *\;* ]] || { echo "Client port not found in the server configs"; return; }
    line=${line##*;} port=${line##*:}
    if [[ $line == *:* ]]; then address=${line%:*} address=${address#[} address=${address%]}; fi
  fi
}
status() {
  local address= port= mode
  client_address
  if [ -z "$port" ]; then
    echo "Client port not found. Looking for secureClientPort in the static config."
    echo "Unable to find either secure or unsecure client port in any configs. Terminating."; exit 1
  fi
  echo "Client port found: $port. Client address: ${address:-localhost}. Client SSL: false."
  mode=$(timeout 10 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf srvr >&3 && cat <&3' "${address:-localhost}" "$port" 2>/dev/null | grep '^Mode')
  if [ -z "$mode" ]; then echo "Error contacting service. It is probably not running."; exit 1; fi
  echo "$mode"
}

case $command in
  start) require_data_dirs; pid_file; start ;;
  start-foreground)
    require_data_dirs; binary=$(find_binary) || exit 1
    if [ -n "${ZOO_NOEXEC:-}" ]; then "$binary" "${server[@]}" "${defines[@]}"; else exec "$binary" "${server[@]}" "${defines[@]}"; fi ;;
  print-cmd) echo "\"$(find_binary)\" ${server[*]} ${defines[*]} -Dzookeeper.log.dir=\"$log_dir\" -Dzookeeper.log.file=\"$log_file\" > \"$out\" 2>&1 < /dev/null" ;;
  stop) pid_file; stop; exit 0 ;;
  version) "$(find_binary)" version ;;
  restart) shift; "$0" --config "$ZOOCFGDIR" stop "$@"; sleep 3; "$0" --config "$ZOOCFGDIR" start "$@" ;;
  status) status ;;
  *) echo "Usage: $0 [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}" >&2 ;;
esac
