use alloc::vec::Vec;

use pipeline::sessions::SessionReport;

/// When sessions expire, as far as this server decides on it, for `dump`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionsReport {
    /// Those that are this server's own, where there may be any.
    pub local: Option<Vec<SessionReport>>,
    /// Those that all servers know; a learner leaves them to its leader.
    pub global: Option<Vec<SessionReport>>,
}
