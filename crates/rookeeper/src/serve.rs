//! `rookeeper` and `rookeeper server`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use server::logging::LogWriter;
use server::settings::LoggingSettings;
use server::{ConfigSource, INVALID_INVOCATION, Invocation, Ready, Settings};
use tracing_subscriber::EnvFilter;

use crate::text::say;
use crate::version;

/// What `--discard-local-data` stands for.
pub(crate) const DISCARD_LOCAL_DATA: &str = "zookeeper.discardLocalData";

/// Without any configuration: says where it serves and what to try.
pub(crate) fn built_in(properties: Vec<(String, String)>) -> ExitCode {
    serve(Invocation { config: ConfigSource::BuiltIn, defines: properties }, banner)
}

/// With what follows `server`.
pub(crate) fn configured(words: &[String], properties: Vec<(String, String)>) -> ExitCode {
    match config_source(words) {
        Ok(config) => serve(Invocation { config, defines: properties }, |_| {}),
        Err(why) => refuse(&why),
    }
}

fn serve(invocation: Invocation, on_ready: impl FnOnce(&Ready<'_>)) -> ExitCode {
    let settings = match invocation.settings() {
        Ok(settings) => settings,
        Err(why) => return refuse(&why.to_string()),
    };
    match start_logging(&settings.logging) {
        Ok(()) => server::run(settings, on_ready),
        Err(why) => refuse(&why),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("rookeeper: {why}");
    ExitCode::from(INVALID_INVOCATION)
}

/// What stands behind `server`: nothing, a zoo.cfg, or the reference's short form.
// zk: QuorumPeerMain.initializeAndRun, ServerConfig.parse
fn config_source(words: &[String]) -> Result<ConfigSource, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (port, data_dir, rest) = match words.as_slice() {
        [] => return Ok(ConfigSource::BuiltIn),
        [file] => return Ok(ConfigSource::File(PathBuf::from(file))),
        [port, data_dir, rest @ ..] if rest.len() <= 2 => (port, data_dir, rest),
        _ => return Err("expected server [zoo.cfg | port dataDir [tickTime [maxClientCnxns]]]".to_owned()),
    };
    Ok(ConfigSource::Arguments {
        client_port: number(port, "a port")?,
        data_dir: PathBuf::from(data_dir),
        tick_time: rest.first().map(|text| number(text, "a tick time in milliseconds")).transpose()?,
        max_client_cnxns: rest.get(1).map(|text| number(text, "a number of connections")).transpose()?,
    })
}

fn number<N: FromStr>(text: &str, what: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not {what}"))
}

fn start_logging(settings: &LoggingSettings) -> Result<(), String> {
    let writer = LogWriter::open(settings).map_err(|why| match &settings.file {
        Some(file) => format!("cannot open the log {}: {why}", file.display()),
        None => format!("cannot open the log: {why}"),
    })?;
    // A logger lives as long as the process.
    let writer: &'static LogWriter = Box::leak(Box::new(writer));
    let colours = settings.file.is_none() && std::io::stdout().is_terminal();
    let filter = EnvFilter::try_new(&settings.level)
        .map_err(|why| format!("\"{}\" is not a log level: {why}", settings.level))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(move || writer)
        .try_init()
        .map_err(|why| format!("cannot start the log: {why}"))
}

fn banner(ready: &Ready<'_>) {
    let address = ready.address.map_or("no client port".to_owned(), |address| address.to_string());
    let settings: &Settings = ready.settings;
    let data_dir = std::path::absolute(&settings.data.data_dir).unwrap_or(settings.data.data_dir.clone());
    say!(
        "\n  rookeeper {}, in place of Apache ZooKeeper {}\n\n  address   {address}\n  data      {}\n  try       {} cli -server {address} ls /\n",
        version::OWN,
        version::REFERENCE,
        data_dir.display(),
        program()
    );
}

/// How this program was called, so that the command to try can be copied.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "rookeeper".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(line: &str) -> Result<ConfigSource, String> {
        config_source(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_may_stand_behind_server() {
        assert_eq!(source(""), Ok(ConfigSource::BuiltIn));
        assert_eq!(source("zoo.cfg"), Ok(ConfigSource::File("zoo.cfg".into())));
        let short = |tick_time, max_client_cnxns| {
            Ok(ConfigSource::Arguments {
                client_port: 2181,
                data_dir: "/data".into(),
                tick_time,
                max_client_cnxns,
            })
        };
        assert_eq!(source("2181 /data"), short(None, None));
        assert_eq!(source("2181 /data 2000 60"), short(Some(2000), Some(60)));
        for wrong in ["x /data", "2181 /data x", "1 2 3 4 5", "70000 /data"] {
            assert!(source(wrong).is_err(), "{wrong}");
        }
    }
}
