//! `rookeeper log` and `rookeeper snapshot`: what a file holds, whether it is sound, and if not, where it breaks and
//! what to do.
//!
//! What the file holds goes to standard output, what is wrong with it to standard error. The exit code is 0 for a sound
//! file, 1 for a damaged or unreadable one. An incompletely written end, as every crash leaves it, is told but is no
//! damage: the server cuts it off by itself.

mod log_file;
mod render;
mod snapshot_file;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use storage::{Corruption, Damage, StorageError};

use crate::arguments::Inspection;

/// Whether a file is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Sound,
    Damaged,
}

/// Why there is no verdict.
#[derive(Debug)]
enum Failure {
    Storage(StorageError),
    Output(io::Error),
}

/// Prints a transaction log.
pub(crate) fn log(what: &Inspection) -> ExitCode {
    finish(log_file::inspect(what, &mut BufWriter::new(io::stdout().lock())))
}

/// Prints a snapshot.
pub(crate) fn snapshot(what: &Inspection) -> ExitCode {
    finish(snapshot_file::inspect(what, &mut BufWriter::new(io::stdout().lock())))
}

fn finish(outcome: Result<Verdict, Failure>) -> ExitCode {
    match outcome {
        Ok(Verdict::Sound) => ExitCode::SUCCESS,
        Ok(Verdict::Damaged) => ExitCode::FAILURE,
        // Whoever reads has seen enough, as `head` has.
        Err(Failure::Output(why)) if why.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(why)) => {
            eprintln!("cannot print: {why}");
            ExitCode::FAILURE
        }
        Err(Failure::Storage(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Says where a file breaks and what to do about it.
fn tell(out: &mut dyn Write, json: bool, corruption: &Corruption, advice: &str) -> io::Result<()> {
    out.flush()?;
    if json {
        let damage = serde_json::json!({
            "damage": {
                "file": corruption.file,
                "offset": corruption.offset,
                "what": corruption.what.to_string(),
                "advice": advice,
            }
        });
        writeln!(out, "{damage}")?;
    }
    eprintln!("{corruption}\n  what to do: {advice}");
    Ok(())
}

/// What to do about damage in a log.
fn log_advice(what: &Damage) -> &'static str {
    match what {
        Damage::Header => {
            "this is no transaction log, or its first bytes are lost; restore the file from a copy"
        }
        Damage::Gap { .. } => {
            "records are missing here: a file is missing or was damaged; restore the directory from a copy, or, in an \
             ensemble, empty the data directory and let the server take a snapshot from the leader"
        }
        Damage::Checksum
        | Damage::Framing
        | Damage::LostTail
        | Damage::Decode(_)
        | Damage::Length
        | Damage::Compression => {
            "in an ensemble: move the version-2 directories aside, the server comes back by a snapshot from the leader; \
             standalone: restore the file from a copy, for what stands behind this offset cannot be trusted"
        }
    }
}

impl From<StorageError> for Failure {
    fn from(why: StorageError) -> Self {
        Self::Storage(why)
    }
}

impl From<io::Error> for Failure {
    fn from(why: io::Error) -> Self {
        Self::Output(why)
    }
}
