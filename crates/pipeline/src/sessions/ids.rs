use jute::SessionId;

/// Gives out session ids: high byte the server, then the time of its start, then a counter.
#[derive(Debug, Clone)]
pub struct SessionIds {
    next: i64,
}

impl SessionIds {
    /// Starts at a moment of the monotonic clock.
    // zk: SessionTrackerImpl.initializeNextSessionId
    pub fn new(server_id: u8, monotonic_ms: u64) -> Self {
        const CONTAINER_OWNER: i64 = i64::MIN;
        let next = ((monotonic_ms << 24) >> 8) | (u64::from(server_id) << 56);
        let next = i64::from_be_bytes(next.to_be_bytes());
        Self { next: if next == CONTAINER_OWNER { next + 1 } else { next } }
    }

    /// The next id that is not taken.
    ///
    /// The reference gives out an id again when the monotonic clock began anew and the session is still there.
    pub fn next(&mut self, taken: impl Fn(SessionId) -> bool) -> SessionId {
        loop {
            let id = SessionId(self.next);
            self.next = self.next.wrapping_add(1);
            if id != SessionId::NONE && !taken(id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_is_server_and_time() {
        for (server_id, monotonic_ms, expected) in [
            (1, 0, 0x0100_0000_0000_0000),
            (1, 1, 0x0100_0000_0001_0000),
            (2, 0xff_1234_5678_9abc, 0x0234_5678_9abc_0000),
            (0x80, 0, i64::MIN + 1),
            (255, 0, 0xff00_0000_0000_0000_u64 as i64),
        ] {
            let mut ids = SessionIds::new(server_id, monotonic_ms);
            assert_eq!(ids.next(|_| false), SessionId(expected), "{server_id} {monotonic_ms}");
            assert_eq!(ids.next(|_| false), SessionId(expected + 1));
        }
    }

    #[test]
    fn ids_in_use_are_left_out() {
        let mut ids = SessionIds::new(1, 0);
        let taken = |id: SessionId| id.0 & 3 < 2;
        assert_eq!(ids.next(taken), SessionId(0x0100_0000_0000_0002));
    }
}
