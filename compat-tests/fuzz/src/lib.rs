//! Fuzz targets: plain functions over bytes, which panic when a promise is broken.
//!
//! libFuzzer drives them through the crate in `libfuzzer/` (`./run` does it all); `cargo test` replays the corpora in
//! `corpus/<target>/`, so that what was found once stays found. The numbers are those of the project's list of targets.
//!
//! | target | promise |
//! |---|---|
//! | `client_port` (1) | handshake, four-letter words and requests have the same outcome however the bytes are cut |
//! | `requests` (2) | what decodes, encodes to what decodes the same; memory in proportion to the input |
//! | `payloads` (3) | the same for multi, setWatches, setWatches2, reconfig and the answer to multi |
//! | `replicas` (4) | any requests: batches decide as single events, followers by log and by snapshot have the same state |
//! | `leader` (5) | whatever learners send, an epoch is one and newer, and commits come in order when a quorum's logs hold them |
//! | `learner` (5) | whatever a leader sends, a learner says and applies only what its disk holds, in order |
//! | `election` (6) | which bytes are a message is what the reference says; no message unsettles a peer or makes it elect a stranger |
//! | `initial_message` (6) | the first bytes on an election port: refused, whole or too few as the reference says, however they are cut |
//! | `log` (7) | the longest valid beginning is read, and cutting the rest off changes nothing |
//! | `snapshot` (8) | an error, or a state that a snapshot of its own brings back, plain and compressed |
//! | `text` (10) | paths, ACL identities, quotas and times to live are read as the rest of the project reads them |
//! | `txns` (9) | the same for transactions of all types, with and without digest |

mod client_port;
mod election;
mod heap;
mod initial_message;
mod leader;
mod learner;
mod log;
mod payloads;
mod replicas;
mod requests;
mod snapshot;
mod text;
mod txns;

pub use client_port::client_port;
pub use election::election;
pub use initial_message::initial_message;
pub use leader::leader;
pub use learner::learner;
pub use log::log;
pub use payloads::payloads;
pub use replicas::replicas;
pub use requests::requests;
pub use snapshot::snapshot;
pub use text::text;
pub use txns::txns;

/// A target by its name.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name, which is also that of its corpus.
    pub name: &'static str,
    /// The function that takes the input.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "client_port", run: client_port },
    Target { name: "requests", run: requests },
    Target { name: "payloads", run: payloads },
    Target { name: "replicas", run: replicas },
    Target { name: "leader", run: leader },
    Target { name: "learner", run: learner },
    Target { name: "election", run: election },
    Target { name: "initial_message", run: initial_message },
    Target { name: "log", run: log },
    Target { name: "snapshot", run: snapshot },
    Target { name: "txns", run: txns },
    Target { name: "text", run: text },
];
