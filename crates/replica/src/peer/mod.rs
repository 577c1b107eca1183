//! A member of an ensemble.

mod settings;

pub use settings::{PeerReport, PeerSettings, PeerStart};
