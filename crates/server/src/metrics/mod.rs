//! The server's numbers, under the names of the reference.
//!
//! What each connection counts stays with the connection and is summed when somebody asks; here is the rest.

mod counter_set;
mod summary;

use pipeline::outbox::CloseReason;

pub(crate) use counter_set::CounterSet;
pub(crate) use summary::{Counter, Latest, Percentiles, Run, Summary, average, java_double};

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty,)+) => {
        /// All metrics that are not gauges; a field has the metric's name.
        #[derive(Debug)]
        pub(crate) struct Metrics {
            $($(#[doc = $doc])+ pub(crate) $name: $kind,)+
            drops: Vec<Counter>,
        }

        impl Default for Metrics {
            fn default() -> Self {
                Self {
                    $($name: <$kind>::default(),)+
                    drops: CloseReason::NAMES.iter().map(|_| Counter::default()).collect(),
                }
            }
        }

        impl Metrics {
            /// Hands each name and value to `out`.
            pub(crate) fn lines(&self, out: &mut dyn FnMut(String, String)) {
                $(self.$name.lines(stringify!($name), out);)+
                for (name, count) in CloseReason::NAMES.iter().zip(&self.drops) {
                    count.lines(&format!("connection_drop_{name}"), out);
                }
            }

            /// Starts all of them anew, as `srst` asks.
            pub(crate) fn reset(&self) {
                $(self.$name.reset();)+
                self.drops.iter().for_each(Counter::reset);
            }
        }
    };
}

impl Counter {
    fn lines(&self, name: &str, out: &mut dyn FnMut(String, String)) {
        out(name.to_owned(), self.get().to_string());
    }
}

impl Metrics {
    /// Counts a connection that ended.
    pub(crate) fn dropped(&self, reason: CloseReason) {
        let place = CloseReason::NAMES.iter().position(|name| *name == reason.name());
        if let Some(counter) = place.and_then(|place| self.drops.get(place)) {
            counter.add(1);
        }
    }
}

metrics! {
    /// Connections that ended because the client or the network went away.
    connection_drop_count: Counter,
    /// Connections refused at accept or by the session throttle.
    connection_rejected: Counter,
    /// Handshakes.
    connection_request_count: Counter,
    /// Tokens missing in the session throttle at each handshake.
    connection_token_deficit: Summary,
    /// Connections that did not finish their handshake in time.
    sessionless_connections_expired: Counter,
    /// Sessions that expired.
    stale_sessions_expired: Counter,
    /// Frames of a connection while the server did not serve.
    cnxn_closed_without_zk_server_running: Counter,
    /// Large requests refused.
    large_requests_rejected: Counter,
    /// Requests answered THROTTLEDOP.
    throttled_ops: Counter,
    /// Times that the request throttle waited.
    request_throttle_wait_count: Counter,
    /// Wait of requests in the throttle.
    request_throttle_queue_time_ms: Percentiles,
    /// Requests that went on though their connection was gone.
    stale_requests: Counter,
    /// Requests dropped because their connection was gone.
    stale_requests_dropped: Counter,
    /// Replies for connections that were gone.
    stale_replies: Counter,
    /// Requests handed to the replica.
    prep_processor_request_queued: Counter,
    /// Requests that waited for the replica, at each batch.
    prep_processor_queue_size: Summary,
    /// Wait of requests for the replica.
    prep_processor_queue_time_ms: Percentiles,
    /// Time of the replica for one batch of steps.
    prep_process_time: Summary,
    /// Transactions handed to the disk thread.
    sync_processor_request_queued: Counter,
    /// Transactions that waited for the disk thread, at each batch.
    sync_processor_queue_size: Summary,
    /// Transactions of one sync.
    sync_processor_batch_size: Summary,
    /// Append of one batch.
    sync_process_time: Summary,
    /// Wait of a batch for the disk thread.
    sync_processor_queue_time_ms: Percentiles,
    /// Sync of a batch.
    sync_processor_queue_flush_time_ms: Percentiles,
    /// Both together.
    sync_processor_queue_and_flush_time_ms: Percentiles,
    /// Sync of the log.
    fsynctime: Summary,
    /// Writing of a snapshot.
    snapshottime: Summary,
    /// Snapshots that failed.
    snapshot_error_count: Counter,
    /// Loading of the data at start.
    dbinittime: Summary,
    /// Loading of the snapshot at start.
    startup_snap_load_time: Summary,
    /// Transactions replayed at start.
    startup_txns_loaded: Summary,
    /// Replay at start.
    startup_txns_load_time: Summary,
    /// Latency of writes.
    updatelatency: Percentiles,
    /// From the time in a transaction to its apply.
    propagation_latency: Percentiles,
    /// Watchers of each created node that had any.
    node_created_watch_count: Summary,
    /// The same for deleted nodes.
    node_deleted_watch_count: Summary,
    /// The same for changed nodes.
    node_changed_watch_count: Summary,
    /// The same for changed lists of children.
    node_children_watch_count: Summary,
    /// Transactions whose digest was compared with that of the tree after them, since the start.
    digest_txns_compared: Counter,
    /// Those that were equal.
    digest_txns_equal: Counter,
    /// Transactions applied without a comparison: they carry no digest, or another kind, or a snapshot was still being completed.
    digest_txns_without: Counter,
    /// The newest transaction after which the tree was found equal; zero before the first.
    digest_last_equal_zxid: Latest,
    /// The newest after which it differed; zero before the first.
    digest_last_mismatch_zxid: Latest,
    /// Transactions whose digest is not the tree's.
    digest_mismatches_count: Counter,
    /// Requests refused because of a hard quota, by the first part of the path.
    quota_exceeded_error_per_namespace: CounterSet,
    /// Errors that end the process.
    unrecoverable_error_count: Counter,
    /// Elections, from the loss of the leader to the choice of the next.
    election_time: Summary,
    /// Times that this server looked for a leader.
    looking_count: Counter,
    /// Times that this server led no longer because a voter changed its mind.
    quit_leading_due_to_disloyal_voter: Counter,
    /// Transactions that this server proposed.
    proposal_count: Counter,
    /// Transactions that were committed while this server led.
    commit_count: Counter,
    /// Transactions that a leader proposed to this server.
    learner_proposal_received_count: Counter,
    /// Transactions that a leader committed here.
    learner_commit_received_count: Counter,
    /// Learners that got transactions to catch up with.
    diff_count: Counter,
    /// Learners that got a snapshot.
    snap_count: Counter,
    /// Pauses of the whole process.
    jvm_pause_time_ms: Percentiles,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drop_has_a_metric_of_its_own() {
        let metrics = Metrics::default();
        metrics.dropped(CloseReason::SessionMoved);
        metrics.dropped(CloseReason::OutboxFull { limit: 1 });
        let mut shown = Vec::new();
        metrics.lines(&mut |name, value| shown.push((name, value)));
        let value =
            |wanted: &str| shown.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        assert_eq!(value("connection_drop_session_moved"), Some("1"));
        assert_eq!(value("connection_drop_outbox_full"), Some("1"));
        assert_eq!(value("connection_drop_shutdown"), Some("0"));
        assert_eq!(value("cnt_fsynctime"), Some("0"));
        metrics.reset();
        let mut sum = 0;
        metrics.lines(&mut |_, value| sum += i64::from(!matches!(value.as_str(), "0" | "0.0")));
        assert_eq!(sum, 0);
    }
}
