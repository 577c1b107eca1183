//! `mntr`: gauges of the moment, then the metrics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;

use tree::State;
use tree::quota::{self, Stats};

use super::member;
use crate::clock;
use crate::metrics::{average, java_double};
use crate::shell::{Shared, lock};
use crate::version;

/// The answer.
// zk: MonitorCommand
// diverges(metrics-with-a-meaning): names that a server without ensemble, TLS and caches would leave at zero are left out
pub(super) async fn text(shared: &Shared) -> String {
    let report = member::report(shared).await;
    let mut out = String::new();
    let mut put = |name: &str, value: String| {
        let _ = writeln!(out, "zk_{name}\t{value}");
    };
    put("version", version::full());
    put("server_state", member::mode(shared.mode()).to_owned());
    gauges(shared, report.as_ref().map_or(0, |report| report.local_sessions), &mut put);
    if let Some(report) = &report {
        member::gauges(shared, report, &mut put);
    }
    shared.metrics.lines(&mut |name, value| put(&name, value));
    out
}

// zk: ZooKeeperServer.registerMetrics
fn gauges(shared: &Shared, local_sessions: usize, put: &mut dyn FnMut(&str, String)) {
    let share = shared.clients.share();
    let latency = &share.latency;
    let never = |size: Option<u64>| size.map_or_else(|| "-1".to_owned(), |size| size.to_string());
    let has_sent = share.least_sent.is_some();
    put("avg_latency", java_double(average(latency.total_ms, latency.count)));
    put("max_latency", latency.max_ms.to_string());
    put("min_latency", latency.min_ms.unwrap_or(0).to_string());
    put("packets_received", share.received.to_string());
    put("packets_sent", share.sent.to_string());
    put("bytes_received_count", share.bytes_received.to_string());
    put("num_alive_connections", shared.clients.count().to_string());
    put("outstanding_requests", shared.in_process.load(Relaxed).to_string());
    put("uptime", clock::monotonic().since(shared.started).to_string());
    put("watch_count", lock(&shared.watches).count().to_string());
    let state = shared.read_state();
    put("znode_count", state.node_count().to_string());
    put("ephemerals_count", state.ephemerals_count().to_string());
    put("approximate_data_size", state.approximate_data_size().to_string());
    put("global_sessions", state.sessions().len().to_string());
    quotas(&state, put);
    drop(state);
    put("local_sessions", local_sessions.to_string());
    put("open_file_descriptor_count", open_descriptors().to_string());
    put("max_file_descriptor_count", descriptor_limit().to_string());
    put("connection_drop_probability", java_double(lock(&shared.throttle).drop_chance()));
    put("last_client_response_size", never(has_sent.then_some(share.last_sent)));
    put("max_client_response_size", never(has_sent.then_some(share.largest_sent)));
    put("min_client_response_size", never(share.least_sent));
}

/// The four sets of quota gauges, summed by top namespace.
// zk: QuotaMetricsUtils
fn quotas(state: &State, put: &mut dyn FnMut(&str, String)) {
    let mut sums: BTreeMap<(String, &str), i64> = BTreeMap::new();
    for limited in state.quota_paths() {
        let Some(namespace) = limited.split('/').nth(1).filter(|name| !name.is_empty()) else { continue };
        let parse = |path: String| state.node(&path)?.data().and_then(Stats::parse);
        let mut add = |name, value| *sums.entry((namespace.to_owned(), name)).or_default() += value;
        if let Some(limits) = parse(quota::limits_path(limited)) {
            let limit = |hard: &str, soft: &str| match limits.get(hard) {
                hard if hard > -1 => hard,
                _ => limits.get(soft),
            };
            add("quota_count_limit_per_namespace", limit("countHardLimit", "count"));
            add("quota_bytes_limit_per_namespace", limit("byteHardLimit", "bytes"));
        }
        if let Some(usage) = parse(quota::stats_path(limited)) {
            add("quota_count_usage_per_namespace", usage.get("count"));
            add("quota_bytes_usage_per_namespace", usage.get("bytes"));
        }
    }
    for ((namespace, name), sum) in sums {
        put(&format!("{namespace}_{name}"), sum.to_string());
    }
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn descriptor_limit() -> u64 {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
