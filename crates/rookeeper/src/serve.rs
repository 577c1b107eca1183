//! `rookeeper` and `rookeeper server`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use server::logging::LogWriter;
use server::{ConfigSource, INVALID_INVOCATION, Invocation, Ready, Settings};
use tracing_subscriber::EnvFilter;

use crate::version;

/// Without any configuration: says what to do next.
pub(crate) fn built_in(properties: Vec<(String, String)>) -> ExitCode {
    serve(Invocation { config: ConfigSource::BuiltIn, defines: properties }, banner)
}

/// With what follows `server`.
pub(crate) fn configured(configuration: &[String], properties: Vec<(String, String)>) -> ExitCode {
    match source(configuration) {
        Ok(config) => serve(Invocation { config, defines: properties }, |_| {}),
        Err(what) => refuse(&what),
    }
}

// zk: ServerConfig.parse
fn source(words: &[String]) -> Result<ConfigSource, String> {
    match words {
        [] => Ok(ConfigSource::BuiltIn),
        [file] => Ok(ConfigSource::File(PathBuf::from(file))),
        [port, data_dir, more @ ..] if more.len() <= 2 => Ok(ConfigSource::Arguments {
            client_port: port.parse().map_err(|_| format!("{port}: expected a port number, 0 to 65535"))?,
            data_dir: PathBuf::from(data_dir),
            tick_time: more.first().map(|text| number(text)).transpose()?,
            max_client_cnxns: more.get(1).map(|text| number(text)).transpose()?,
        }),
        _ => Err("expected a zoo.cfg, or: port dataDir [tickTime [maxClientCnxns]]".to_owned()),
    }
}

fn number(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("{text}: expected an integer"))
}

fn serve(invocation: Invocation, on_ready: impl FnOnce(&Ready<'_>)) -> ExitCode {
    let settings = match invocation.settings() {
        Ok(settings) => settings,
        Err(error) => return refuse(&error.to_string()),
    };
    if let Err(what) = install_log(&settings) {
        return refuse(&what);
    }
    server::run(settings, on_ready)
}

fn install_log(settings: &Settings) -> Result<(), String> {
    let writer =
        LogWriter::open(&settings.logging).map_err(|error| format!("the log cannot be opened: {error}"))?;
    let level = &settings.logging.level;
    let filter = EnvFilter::try_new(level).map_err(|_| {
        format!("zookeeper.log.level={level}: expected error, warn, info, debug, trace or a filter")
    })?;
    let has_colours = settings.logging.file.is_none() && std::io::stdout().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_colours)
        .with_target(false)
        .with_writer(Arc::new(writer))
        .init();
    Ok(())
}

fn refuse(what: &str) -> ExitCode {
    eprintln!("rookeeper: {what}");
    ExitCode::from(INVALID_INVOCATION)
}

fn banner(ready: &Ready<'_>) {
    let address = ready.address.map_or_else(|| "nowhere".to_owned(), |address| address.to_string());
    println!(
        "\nRookeeper {} serves clients of ZooKeeper {} on {address}, data in {}\n\
         Next: rookeeper cli -server {address} ls /\n",
        version::OWN,
        version::REFERENCE,
        ready.settings.data.data_dir.display()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source_of(line: &str) -> Result<ConfigSource, String> {
        source(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn takes_what_the_reference_takes() {
        let arguments = |tick_time, max_client_cnxns| ConfigSource::Arguments {
            client_port: 2181,
            data_dir: "/data".into(),
            tick_time,
            max_client_cnxns,
        };
        assert_eq!(source_of(""), Ok(ConfigSource::BuiltIn));
        assert_eq!(source_of("zoo.cfg"), Ok(ConfigSource::File("zoo.cfg".into())));
        assert_eq!(source_of("2181 /data"), Ok(arguments(None, None)));
        assert_eq!(source_of("2181 /data 2000 60"), Ok(arguments(Some(2000), Some(60))));
        for bad in ["x /data", "70000 /data", "2181 /data x", "2181 /data 1 2 3"] {
            assert!(source_of(bad).is_err(), "{bad}");
        }
    }
}
