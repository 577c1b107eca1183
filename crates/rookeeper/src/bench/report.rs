//! What was measured, for people and for programs.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::tally::Tally;
use super::target;
use super::usage::Usage;
use crate::text::say;

/// Names and values, in the order in which they are told.
type Values = Vec<(String, Value)>;

/// Latencies that are told, in percent.
const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// A benchmark that was run.
#[derive(Debug)]
pub(super) struct Report {
    what: &'static str,
    setting: Vec<(&'static str, Value)>,
    measured: Measured,
    cost: Option<Cost>,
}

/// Numbers of a benchmark.
#[derive(Debug)]
pub(super) enum Measured {
    /// Operations over a time.
    Load { tally: Tally, time: Duration },
    /// Sessions that only ping, over a time; `empty` is the memory of the servers before they came.
    Idle { sessions: usize, empty: Option<u64>, time: Duration },
    /// What a server that knows nothing has answered.
    Echo { answered: u64 },
    /// Rounds of a storm.
    Storm { watchers: usize, rounds: Vec<Round>, missing: u64 },
    /// Writes while servers come and go.
    Failover { acknowledged: u64, unknown: u64, expired: u64, gaps_ns: Vec<u64>, latencies: Histogram<u64> },
}

/// One round of a storm, in nanoseconds since the set was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) reply_ns: u64,
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
}

/// What the servers' processes used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    cpu: Duration,
    resident_before: u64,
    resident: u64,
    resident_most: u64,
    threads: u64,
}

impl Cost {
    /// None when they were not to be looked at, or are not there.
    pub(super) fn between(before: Option<Usage>, after: Option<Usage>) -> Option<Self> {
        let (before, after) = before.zip(after)?;
        Some(Self {
            cpu: after.cpu.saturating_sub(before.cpu),
            resident_before: before.resident,
            resident: after.resident,
            resident_most: after.resident.max(before.resident),
            threads: after.threads,
        })
    }

    /// This one and a later one.
    pub(super) fn and(self, later: Self) -> Self {
        Self {
            cpu: self.cpu + later.cpu,
            resident_before: self.resident_before,
            resident: later.resident,
            resident_most: self.resident_most.max(later.resident_most),
            threads: later.threads,
        }
    }

    /// So much memory was seen meanwhile.
    pub(super) fn with_seen(self, resident: u64) -> Self {
        Self { resident_most: self.resident_most.max(resident), ..self }
    }
}

impl Report {
    pub(super) fn new(arguments: &Arguments, measured: Measured, cost: Option<Cost>) -> Self {
        let setting = vec![
            ("servers", json!(arguments.servers)),
            ("connections", json!(arguments.connections)),
            ("depth", json!(arguments.depth)),
            ("rate", json!(arguments.rate)),
            ("size", json!(arguments.size)),
            ("nodes", json!(arguments.nodes)),
            ("seconds", json!(arguments.seconds)),
        ];
        Self { what: arguments.what.name(), setting, measured, cost }
    }

    /// Operations that did not succeed.
    pub(super) fn failed(&self) -> u64 {
        match &self.measured {
            Measured::Load { tally, .. } => tally.failed(),
            Measured::Storm { missing, .. } => *missing,
            Measured::Idle { .. } | Measured::Echo { .. } => 0,
            Measured::Failover { expired, .. } => *expired,
        }
    }

    /// Prints it: a table, or one JSON object.
    pub(super) fn print(&self, as_json: bool) {
        let values = self.values();
        if as_json {
            return say!("{}", Value::Object(values.into_iter().collect()));
        }
        let width = values.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in &values {
            match value.as_str() {
                Some(text) => say!("{name:width$}  {text}"),
                None if value.is_null() => {}
                None => say!("{name:width$}  {value}"),
            }
        }
    }

    /// Names that end with a unit are in it.
    fn values(&self) -> Values {
        let mut out = Values::new();
        out.push(("what".to_owned(), json!(self.what)));
        out.extend(self.setting.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let operations = match &self.measured {
            Measured::Load { tally, time } => {
                load(&mut out, tally, *time);
                tally.count()
            }
            Measured::Storm { watchers, rounds, missing } => {
                storm(&mut out, *watchers, rounds, *missing);
                (watchers * rounds.len()) as u64
            }
            Measured::Idle { sessions, empty, time } => {
                idle(&mut out, *sessions, *empty, *time, self.cost);
                *sessions as u64
            }
            Measured::Echo { answered } => {
                out.push(("operations".to_owned(), json!(answered)));
                *answered
            }
            Measured::Failover { acknowledged, unknown, expired, gaps_ns, latencies } => {
                out.push(("acknowledged".to_owned(), json!(acknowledged)));
                out.push(("unknown_outcome".to_owned(), json!(unknown)));
                out.push(("sessions_expired".to_owned(), json!(expired)));
                let gaps: Vec<f64> = gaps_ns.iter().map(|gap| tenths(*gap as f64 / 1e6)).collect();
                out.push(("longest_gaps_ms".to_owned(), json!(gaps)));
                latency(&mut out, "", latencies);
                *acknowledged
            }
        };
        if let Some(cost) = &self.cost {
            let cpu_us = cost.cpu.as_secs_f64() * 1e6;
            out.push(("server_cpu_s".to_owned(), json!(cost.cpu.as_secs_f64())));
            out.push((
                "server_cpu_us_per_op".to_owned(),
                json!(hundredths(cpu_us / operations.max(1) as f64)),
            ));
            out.push(("server_rss_mb".to_owned(), json!(tenths(cost.resident as f64 / 1e6))));
            let grown = cost.resident as f64 - cost.resident_before as f64;
            out.push(("server_rss_grown_mb".to_owned(), json!(tenths(grown / 1e6))));
            out.push(("server_rss_most_mb".to_owned(), json!(tenths(cost.resident_most as f64 / 1e6))));
            out.push(("server_threads".to_owned(), json!(cost.threads)));
        }
        out
    }
}

fn load(out: &mut Values, tally: &Tally, time: Duration) {
    let seconds = time.as_secs_f64().max(f64::MIN_POSITIVE);
    out.push(("operations".to_owned(), json!(tally.count())));
    out.push(("measured_s".to_owned(), json!(hundredths(seconds))));
    out.push(("operations_per_s".to_owned(), json!(tenths(tally.count() as f64 / seconds))));
    latency(out, "", &tally.all());
    if !tally.reads.is_empty() && !tally.writes.is_empty() {
        latency(out, "read_", &tally.reads);
        latency(out, "write_", &tally.writes);
    }
    let errors: Map<String, Value> =
        tally.errors.iter().map(|(code, count)| (target::name_of(*code), json!(count))).collect();
    out.push(("errors".to_owned(), Value::Object(errors)));
    out.push(("per_second".to_owned(), json!(tally.per_second)));
}

fn idle(out: &mut Values, sessions: usize, empty: Option<u64>, time: Duration, cost: Option<Cost>) {
    out.push(("sessions".to_owned(), json!(sessions)));
    out.push(("measured_s".to_owned(), json!(hundredths(time.as_secs_f64()))));
    let Some((empty, cost)) = empty.zip(cost) else { return };
    let each = |sum: f64| json!(hundredths(sum / sessions.max(1) as f64));
    let cores = cost.cpu.as_secs_f64() / time.as_secs_f64().max(f64::MIN_POSITIVE);
    out.push(("server_rss_kb_per_session".to_owned(), each((cost.resident as f64 - empty as f64) / 1e3)));
    out.push(("server_microcores_per_session".to_owned(), each(cores * 1e6)));
}

fn storm(out: &mut Values, watchers: usize, rounds: &[Round], missing: u64) {
    out.push(("watchers".to_owned(), json!(watchers)));
    out.push(("missing_events".to_owned(), json!(missing)));
    let of = |pick: fn(&Round) -> u64| {
        let mut all: Vec<u64> = rounds.iter().map(pick).collect();
        all.sort_unstable();
        all.get(all.len() / 2).map(|median| tenths(*median as f64 / 1e3))
    };
    out.push(("set_reply_us".to_owned(), json!(of(|round| round.reply_ns))));
    out.push(("first_event_us".to_owned(), json!(of(|round| round.first_ns))));
    out.push(("last_event_us".to_owned(), json!(of(|round| round.last_ns))));
}

fn latency(out: &mut Values, prefix: &str, histogram: &Histogram<u64>) {
    for (name, percent) in PERCENTILES {
        let value = histogram.value_at_percentile(percent) as f64 / 1e3;
        out.push((format!("{prefix}{name}_us"), json!(tenths(value))));
    }
    out.push((format!("{prefix}max_us"), json!(tenths(histogram.max() as f64 / 1e3))));
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(cpu_ms: u64, resident: u64) -> Usage {
        Usage { cpu: Duration::from_millis(cpu_ms), resident, threads: 3 }
    }

    fn cost(before: (u64, u64), after: (u64, u64)) -> Cost {
        Cost::between(Some(usage(before.0, before.1)), Some(usage(after.0, after.1))).unwrap()
    }

    #[test]
    fn costs_add_up() {
        let sum = cost((100, 5), (130, 4)).and(cost((200, 9), (260, 7)).with_seen(8));
        assert_eq!(sum.cpu, Duration::from_millis(90));
        assert_eq!((sum.resident_before, sum.resident, sum.resident_most), (5, 7, 9));
        assert_eq!(sum.with_seen(10).resident_most, 10);
    }

    #[test]
    fn what_a_session_costs_that_only_pings() {
        let mut out = Values::new();
        let cost = cost((0, 9_000_000), (500, 11_000_000));
        idle(&mut out, 1000, Some(1_000_000), Duration::from_secs(10), Some(cost));
        let told: std::collections::BTreeMap<_, _> = out.into_iter().collect();
        assert_eq!(told["server_rss_kb_per_session"], json!(10.0));
        assert_eq!(told["server_microcores_per_session"], json!(50.0));
    }
}
