//! The one binary: a ZooKeeper server, and what one needs beside it.
#![expect(
    clippy::print_stderr,
    reason = "a command line tool speaks to its user; the server itself logs through tracing"
)]

mod arguments;
mod bench;
mod cli;
mod inspect;
mod serve;
mod status;
mod text;
mod version;

use std::process::ExitCode;

use arguments::{Command, Invocation};
use text::say;

fn main() -> ExitCode {
    let Invocation { mut properties, command } = Invocation::parse();
    match command {
        None => serve::built_in(properties),
        Some(Command::Server { configuration, discard_local_data }) => {
            if discard_local_data {
                properties.push((serve::DISCARD_LOCAL_DATA.to_owned(), true.to_string()));
            }
            serve::configured(&configuration, properties)
        }
        Some(Command::Cli { words }) => cli::main(&words),
        Some(Command::Log(what)) => inspect::log(&what),
        Some(Command::Snapshot(what)) => inspect::snapshot(&what),
        Some(Command::Bench(arguments)) => bench::main(&arguments),
        Some(Command::Status(question)) => status::main(&question),
        Some(Command::Version) => {
            say!("rookeeper {}, in place of Apache ZooKeeper {}", version::OWN, version::REFERENCE);
            ExitCode::SUCCESS
        }
    }
}
