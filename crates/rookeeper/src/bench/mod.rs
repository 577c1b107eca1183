//! `rookeeper bench`: load for any ZooKeeper server, what it bears, and what that costs.
//!
//! * Closed loop: every connection keeps `--depth` requests under way. Open loop (`--rate`): requests come at their times, and are
//!   late from the moment when they were due, so that a server that stops is seen to be late with all of them.
//! * A thread drives all its connections through one `epoll`, with one write per burst: the tool is not the limit.
//! * With `--pid` it tells what the servers' processes used in the window.
//! * `echo` is no load but a server that does nothing: against it a load shows what sockets and framing alone cost.

mod arguments;
mod connection;
mod driver;
mod echo;
mod failover;
mod idle;
mod load;
mod report;
mod run;
mod sessions;
mod storm;
mod tally;
mod target;
mod usage;
mod wire;

use std::process::ExitCode;

pub(crate) use arguments::Arguments;
use arguments::What;

/// Runs a benchmark and prints what it measured. Exit code: 0 when every operation succeeded, 1 when some did not, 2 when it could
/// not be run.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    let outcome = arguments.check().and_then(|()| match arguments.what {
        What::Session => sessions::run(arguments),
        What::WatchStorm => storm::run(arguments),
        What::Failover => failover::run(arguments),
        What::Idle => idle::run(arguments),
        What::Echo => echo::run(arguments),
        What::Get
        | What::Exists
        | What::List
        | What::Set
        | What::Create
        | What::CreateDelete
        | What::Multi
        | What::Mixed
        | What::Watch
        | What::Fill
        | What::Children
        | What::Watches => run::run(arguments),
    });
    match outcome {
        Ok(report) => {
            report.print(arguments.json);
            if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("rookeeper bench: {why}");
            ExitCode::from(2)
        }
    }
}
