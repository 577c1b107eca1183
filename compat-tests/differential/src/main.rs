//! Compares two ZooKeeper servers request by request, and measures them under load and volume.

mod acls;
mod compare;
mod dump;
mod ensemble;
mod fill;
mod generate;
mod handshakes;
mod load;
mod lockstep;
mod million;
mod model;
mod op;
mod paths;
mod reply;
mod request;
mod servers;
mod session;
mod table;
mod walk;
mod wire;
mod writes;

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "rookeeper-differential COMMAND [--name value ...]
  compare  --reference CMD --candidate CMD [--seed N] [--requests N] [--folder DIR]
  million  --reference CMD --candidate CMD [--nodes N] [--folder DIR]
  load     --server CMD [--sessions N] [--watches N] [--connections N] [--outstanding N] [--seconds N] [--folder DIR]
  fill     --address HOST:PORT [--seed N] [--requests N]      one client's random requests, as many as are answered
  ensemble --addresses HOST:PORT,... [--base PATH] [--writers N] [--quiet N] [--window N] [--rate N] [--writes N] [--seed N]
           [--timeout-ms N] [--patience-ms N]                 load that outlives servers; commands come on standard input
  dump     --address HOST:PORT                                every node with every field
CMD runs a server in the foreground; the path of its zoo.cfg comes last, or in place of {cfg}.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<bool, Box<dyn Error>> {
    let (command, rest) = arguments.split_first().ok_or(USAGE)?;
    let options = Options::read(rest)?;
    match command.as_str() {
        "compare" => compare::run(&compare::Plan {
            reference: options.text("reference")?,
            candidate: options.text("candidate")?,
            folder: options.folder(),
            seed: options.number("seed", 1)?,
            requests: options.number("requests", 20_000)?,
        }),
        "million" => {
            let commands = [options.text("reference")?, options.text("candidate")?];
            million::run(commands, options.number("nodes", 1_000_000)?, options.folder()).map(|()| true)
        }
        "load" => load_run(&options).map(|()| true),
        "fill" => {
            let address = options.text("address")?.parse()?;
            fill::run(address, options.number("seed", 1)?, options.number("requests", 10_000)?).map(|()| true)
        }
        "ensemble" => ensemble::run(ensemble_plan(&options)?),
        "dump" => dump::run(options.text("address")?.parse()?).map(|()| true),
        _ => Err(USAGE.into()),
    }
}

fn ensemble_plan(options: &Options) -> Result<ensemble::Plan, Box<dyn Error>> {
    let addresses = options.text("addresses")?.split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?;
    Ok(ensemble::Plan {
        addresses,
        base: options.or("base", "/load").to_owned(),
        writers: options.number("writers", 6)? as usize,
        quiet: options.number("quiet", 0)? as usize,
        window: options.number("window", 1)? as usize,
        rate: options.number("rate", 0)?,
        writes: options.number("writes", 0)?,
        seed: options.number("seed", 1)?,
        timeout_ms: i32::try_from(options.number("timeout-ms", 12_000)?)?,
        patience: Duration::from_millis(options.number("patience-ms", 4_000)?),
    })
}

fn load_run(options: &Options) -> Result<(), Box<dyn Error>> {
    let count = |name, default| options.number(name, default).map(|number| number as usize);
    let amounts = load::Amounts {
        idle_sessions: count("sessions", 5_000)?,
        watches: count("watches", 10_000)?,
        connections: count("connections", 50)?,
        outstanding: count("outstanding", 800)?,
        seconds: options.number("seconds", 60)?,
    };
    let settings = ["maxSessionTimeout=60000"];
    let server =
        servers::Server::start(options.text("server")?, &options.folder().join("load"), &settings, "")?;
    load::run(server.address, &amounts)
        .map_err(|error| format!("{error}\nlast words:\n{}", server.last_words()).into())
}

/// `--name value` pairs.
struct Options(HashMap<String, String>);

impl Options {
    fn read(words: &[String]) -> Result<Self, Box<dyn Error>> {
        let mut options = HashMap::new();
        for pair in words.chunks(2) {
            let [name, value] = pair else { return Err(USAGE.into()) };
            let name = name.strip_prefix("--").ok_or(USAGE)?;
            options.insert(name.to_owned(), value.clone());
        }
        Ok(Self(options))
    }

    fn text(&self, name: &str) -> Result<&str, Box<dyn Error>> {
        let value = self.0.get(name).map(String::as_str);
        value.ok_or_else(|| format!("--{name} is missing\n{USAGE}").into())
    }

    fn folder(&self) -> &Path {
        Path::new(self.or("folder", "target/differential"))
    }

    fn or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).map_or(default, String::as_str)
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, Box<dyn Error>> {
        self.0
            .get(name)
            .map_or(Ok(default), |text| text.parse().map_err(|_| format!("--{name}: not a number").into()))
    }
}
