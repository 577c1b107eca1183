use core::fmt;

/// Transaction id: the leader's epoch in the high half, a counter in the low half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Zxid(pub i64);

impl Zxid {
    /// Before the first transaction.
    pub const ZERO: Self = Self(0);
    /// No transaction: what stands in the header of events and of requests without a zxid.
    pub const NONE: Self = Self(-1);

    /// The zxid of an epoch and a counter.
    pub const fn from_parts(epoch: i32, counter: u32) -> Self {
        Self((epoch as i64) << 32 | counter as i64)
    }

    /// The leader's epoch.
    pub const fn epoch(self) -> i32 {
        let [a, b, c, d, ..] = self.0.to_be_bytes();
        i32::from_be_bytes([a, b, c, d])
    }

    /// The counter within the epoch.
    pub const fn counter(self) -> u32 {
        let [.., a, b, c, d] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// Session id; the high byte is the id of the server that gave it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SessionId(pub i64);

impl SessionId {
    /// No session: a client asks for a new one, a server says that the old one is gone.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_zxid_is_epoch_and_counter() {
        for (value, epoch, counter) in [
            (0x1_0000_0002, 1, 2),
            (0, 0, 0),
            (-1, -1, u32::MAX),
            (i64::MAX, i32::MAX, u32::MAX),
            (0x5_ffff_ffff, 5, u32::MAX),
        ] {
            assert_eq!((Zxid(value).epoch(), Zxid(value).counter()), (epoch, counter), "{value:#x}");
            assert_eq!(Zxid::from_parts(epoch, counter), Zxid(value));
        }
    }

    #[test]
    fn identifiers_are_shown_in_hexadecimal() {
        assert_eq!(Zxid(0x1_0000_0002).to_string(), "0x100000002");
        assert_eq!(SessionId(-1).to_string(), "0xffffffffffffffff");
    }
}
