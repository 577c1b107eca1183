//! The binary as a user meets it: a server, and the shell against it.
//!
//! `transcript/` holds commands, and what the reference's own shell (3.9.5, without JLine) printed for them on a fresh
//! server of its own: stdout word for word but for times; stderr but for the list of commands and for the wording of an
//! unknown option, which are ours.

#![expect(clippy::unwrap_used, reason = "a test shall fail where it goes wrong")]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_rookeeper");

/// A server on a port and a directory of its own; killed and removed when the test ends.
struct Server {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Server {
    fn start(name: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = std::env::temp_dir().join(format!("rookeeper-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let config = format!(
            "tickTime=2000\nclientPort={port}\nclientPortAddress=127.0.0.1\ndataDir={}\nextendedTypesEnabled=true\n",
            dir.display()
        );
        std::fs::write(dir.join("zoo.cfg"), config).unwrap();
        let child = Command::new(BINARY)
            .arg("server")
            .arg(dir.join("zoo.cfg"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port, dir };
        server.wait();
        server
    }

    fn wait(&self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not come up");
            std::thread::yield_now();
        }
    }

    fn shell(&self, words: &[&str], input: &str) -> Output {
        let mut child = Command::new(BINARY)
            .args(["cli", "-server", &format!("127.0.0.1:{}", self.port)])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

#[test]
fn a_dialogue_reads_as_with_the_references_shell() {
    let server = Server::start("dialogue");
    let transcript = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcript");
    let read = |name: &str| std::fs::read_to_string(transcript.join(name)).unwrap();
    let output = server.shell(&[], &read("commands"));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let shown: Vec<String> =
        stdout.lines().filter(|line| !line.starts_with("Connecting")).map(without_time).collect();
    assert_eq!(shown.join("\n"), read("stdout").trim_end_matches('\n'));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), read("stderr"));
    assert!(output.status.success());
}

fn without_time(line: &str) -> String {
    match line.split_once("time = ") {
        Some((name, _)) => format!("{name}time = (time)"),
        None => line.to_owned(),
    }
}

#[test]
fn one_command_tells_by_its_exit_code_how_it_went() {
    let server = Server::start("one-command");
    let rows = [
        (&["ls", "/"][..], 0, "[zookeeper]", ""),
        (&["get", "/missing"], 1, "", "Node does not exist: /missing"),
        (&["nonsense"], 127, "", "Command not found: Command not found nonsense"),
        (&["set", "/a"], 1, "", "set path data [-s] [-v version] [-b]"),
        (&["create", "/a", "two words"], 0, "", "Created /a"),
        (&["get", "/a"], 0, "two words", ""),
        (
            &["multi", "set", "/a", "x", ";", "check", "/a", "7"],
            1,
            "",
            "version No is not valid : /a (operation 2 of 2",
        ),
    ];
    for (words, code, out, err) in rows {
        let output = server.shell(words, "");
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(out), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(err), "{words:?}");
    }
}

#[test]
fn files_of_a_server_are_sound_until_somebody_damages_them() {
    let server = Server::start("files");
    let input: String = (0..20).map(|number| format!("create /n{number} {number}\n")).collect();
    server.shell(&[], &input);
    let log = server.dir.join("version-2/log.1");
    let inspect =
        |what: &str, file: &Path| Command::new(BINARY).arg(what).arg("--verify").arg(file).output().unwrap();
    assert_eq!(inspect("log", &log).status.code(), Some(0));
    assert_eq!(inspect("snapshot", &server.dir.join("version-2/snapshot.0")).status.code(), Some(0));
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[400] ^= 1;
    let damaged = server.dir.join("log.1");
    std::fs::write(&damaged, bytes).unwrap();
    let output = inspect("log", &damaged);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("log.1 is damaged at offset "), "{told}");
    assert!(told.contains("what to do: "), "{told}");
    assert_eq!(inspect("snapshot", &damaged).status.code(), Some(1));
}

#[test]
fn status_is_one_table_and_an_exit_code() {
    let server = Server::start("status");
    let (own, nobody) = (format!("127.0.0.1:{}", server.port), "127.0.0.1:1");
    let status = |words: &[&str]| Command::new(BINARY).arg("status").args(words).output().unwrap();
    let both = format!("{own},{nobody}");
    for (words, code, out, err) in [
        (&[own.as_str()][..], 0, "standalone", ""),
        (&["--all", &own], 0, "Rookeeper", ""),
        (&["--json", &own], 0, "\"role\":\"standalone\"", ""),
        (&[&both], 1, "? (no answer)", "127.0.0.1:1 does not answer"),
        (&[nobody], 2, "? (no answer)", "127.0.0.1:1 does not answer"),
        (&["--all", nobody], 1, "", "nobody tells who the members are"),
    ] {
        let output = status(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(out), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(err), "{words:?}");
    }
}

#[test]
fn what_makes_no_sense_is_one_line_and_status_2() {
    for (words, expected) in [
        (&["server", "/nowhere/zoo.cfg"][..], "/nowhere/zoo.cfg"),
        (&["server", "x", "/data"], "\"x\" is not a port"),
        (&["cli", "-server"], "no argument found for option -server"),
        (&["nonsense"], "nonsense"),
    ] {
        let output = Command::new(BINARY).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(expected), "{words:?}");
    }
}

#[test]
fn each_benchmark_succeeds_and_cleans_up() {
    let server = Server::start("bench");
    let address = format!("127.0.0.1:{}", server.port);
    let pid = server.child.id().to_string();
    let common = ["--servers", &address, "--pid", &pid, "--connections", "3", "--depth", "2", "--json"];
    let short = ["--nodes", "5", "--warm-up", "0", "--seconds", "0.3"];
    for (what, further) in [
        ("get", &[][..]),
        ("exists", &["--rate", "100"]),
        ("list", &["--threads", "2"]),
        ("set", &[]),
        ("create", &[]),
        ("create-delete", &[]),
        ("multi", &["--ops", "3"]),
        ("mixed", &["--writes", "50"]),
        ("watch", &[]),
        ("session", &[]),
        ("fill", &["--count", "30"]),
        ("watch-storm", &["--count", "2"]),
        ("failover", &[]),
        ("idle", &["--timeout", "4000"]),
    ] {
        let output =
            Command::new(BINARY).args(["bench", what]).args(common).args(short).args(further).output();
        let output = output.unwrap();
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(output.status.success(), "{what}: {told} {}", String::from_utf8_lossy(&output.stderr));
        assert!(told["server_cpu_us_per_op"].is_number(), "{what}: {told}");
        assert!(told["server_rss_most_mb"].as_f64() >= told["server_rss_mb"].as_f64(), "{what}: {told}");
        assert_eq!(told["server_rss_kb_per_session"].is_number(), what == "idle", "{told}");
        let count = match what {
            "watch-storm" => told["watchers"].as_u64().unwrap() - told["missing_events"].as_u64().unwrap(),
            "failover" => told["acknowledged"].as_u64().unwrap(),
            "idle" => told["sessions"].as_u64().unwrap(),
            _ => told["operations"].as_u64().unwrap(),
        };
        assert!(if what == "fill" { count == 30 } else { count >= 3 }, "{what}: {told}");
    }
    let output = server.shell(&["ls", "/"], "");
    assert!(String::from_utf8_lossy(&output.stdout).contains("[zookeeper]"));
}

#[test]
fn a_server_that_knows_nothing_bears_a_load() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let echo = ["bench", "echo", "--servers", &address, "--seconds", "20"];
    let mut echo = Command::new(BINARY).args(echo).stdout(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(&address).is_err() && Instant::now() < until {
        std::thread::yield_now();
    }
    let load = ["bench", "get", "--servers", &address, "--connections", "3", "--json"];
    let load = Command::new(BINARY).args(load).args(["--warm-up", "0", "--seconds", "0.3"]).output().unwrap();
    echo.kill().unwrap();
    echo.wait().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&load.stdout).unwrap();
    assert!(load.status.success() && told["operations"].as_u64().unwrap() > 100, "{told}");
}

#[test]
fn a_benchmark_of_nobody_says_so() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = Command::new(BINARY)
        .args(["bench", "get", "--servers", &format!("127.0.0.1:{port}")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("no session at 127.0.0.1:{port}")));
}
