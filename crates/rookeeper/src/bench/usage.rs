//! What processes have used, from `/proc`.

use std::fs;
use std::time::Duration;

/// A process that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    /// User and system time so far.
    pub(super) cpu: Duration,
    /// Bytes of memory that are resident.
    pub(super) resident: u64,
    /// Number of threads.
    pub(super) threads: u64,
}

impl Usage {
    /// What a process has used; none when it is not there.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(&stat, rustix::param::clock_ticks_per_second(), rustix::param::page_size() as u64)
    }

    /// The sum over several.
    pub(super) fn sum(pids: &[u32]) -> Option<Self> {
        let all: Option<Vec<Self>> = pids.iter().map(|pid| Self::of(*pid)).collect();
        all?.into_iter().reduce(|a, b| Self {
            cpu: a.cpu + b.cpu,
            resident: a.resident + b.resident,
            threads: a.threads + b.threads,
        })
    }

    /// Reads `/proc/PID/stat`; the name in parentheses may hold anything.
    fn parse(stat: &str, ticks_per_second: u64, page_bytes: u64) -> Option<Self> {
        let (_, behind_name) = stat.rsplit_once(')')?;
        let fields: Vec<u64> =
            behind_name.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        let field = |number: usize| fields.get(number - FIRST_FIELD).copied();
        let ticks = field(UTIME)? + field(STIME)?;
        let cpu = Duration::from_nanos(ticks * (NANOS_PER_SECOND / ticks_per_second.max(1)));
        Some(Self { cpu, resident: field(RSS)? * page_bytes, threads: field(NUM_THREADS)? })
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Numbers of fields as proc_pid_stat(5) counts them; the first behind the name is the third.
const FIRST_FIELD: usize = 3;
const UTIME: usize = 14;
const STIME: usize = 15;
const NUM_THREADS: usize = 20;
const RSS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 12345 1000000 300 0";
        let usage = Usage::parse(stat, 100, 4096).unwrap();
        assert_eq!(usage.cpu, Duration::from_secs(3));
        assert_eq!((usage.resident, usage.threads), (300 * 4096, 9));
    }

    #[test]
    fn this_process() {
        let usage = Usage::sum(&[std::process::id()]).unwrap();
        assert!(usage.resident > 0 && usage.threads > 0);
        assert_eq!(Usage::sum(&[std::process::id(), u32::MAX]), None);
    }
}
