//! The text in the nodes of a quota: `count=4,bytes=5=;byteHardLimit=10;countHardLimit=10`.

use std::collections::BTreeMap;
use std::fmt;

/// Numbers by name; −1 stands for no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StatsTrack(BTreeMap<String, i64>);

impl StatsTrack {
    pub(super) const COUNT: &str = "count";
    pub(super) const BYTES: &str = "bytes";
    pub(super) const COUNT_HARD_LIMIT: &str = "countHardLimit";
    pub(super) const BYTE_HARD_LIMIT: &str = "byteHardLimit";

    /// No limit of any kind.
    pub(super) fn unlimited() -> Self {
        let keys = [Self::COUNT, Self::BYTES, Self::COUNT_HARD_LIMIT, Self::BYTE_HARD_LIMIT];
        Self(keys.into_iter().map(|key| (key.to_owned(), -1)).collect())
    }

    /// Nothing used.
    pub(super) fn zero() -> Self {
        Self([Self::COUNT, Self::BYTES].into_iter().map(|key| (key.to_owned(), 0)).collect())
    }

    // zk: StatsTrack(String)
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut track = Self::default();
        for pair in text.split([',', ';']).filter(|pair| !pair.is_empty()) {
            let mut fields = pair.split('=');
            let key = fields.next().unwrap_or_default();
            let value = fields.next().ok_or_else(|| format!("\"{pair}\" is not name=number"))?;
            let value = if value.is_empty() { "-1" } else { value };
            let value = value.parse().map_err(|_| format!("\"{value}\" is not a number"))?;
            track.set(key, value);
        }
        Ok(track)
    }

    pub(super) fn get(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }

    pub(super) fn set(&mut self, key: &str, value: i64) {
        self.0.insert(key.to_owned(), value);
    }

    /// Limits that the other one names replace ours.
    pub(super) fn take_over(&mut self, other: &Self) {
        for (key, value) in other.0.iter().filter(|(_, value)| **value > -1) {
            self.set(key, *value);
        }
    }
}

// zk: StatsTrack.toString: count and bytes come first, and the = after bytes keeps old readers from the rest
impl fmt::Display for StatsTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={},{}={}", Self::COUNT, self.get(Self::COUNT), Self::BYTES, self.get(Self::BYTES))?;
        let others = self.0.iter().filter(|(key, _)| ![Self::COUNT, Self::BYTES].contains(&key.as_str()));
        for (index, (key, value)) in others.enumerate() {
            let separator = if index == 0 { "=;" } else { ";" };
            write!(f, "{separator}{key}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let rows = [
            ("count=4,bytes=5", "count=4,bytes=5"),
            (
                "count=4,bytes=5=;countHardLimit=10;byteHardLimit=10",
                "count=4,bytes=5=;byteHardLimit=10;countHardLimit=10",
            ),
            ("", "count=-1,bytes=-1"),
            ("bytes=", "count=-1,bytes=-1"),
        ];
        for (text, expected) in rows {
            assert_eq!(StatsTrack::parse(text).unwrap().to_string(), expected, "{text}");
        }
        assert!(StatsTrack::parse("count=x").is_err());
        assert!(StatsTrack::parse("count").is_err());
    }

    #[test]
    fn limits_are_merged() {
        let mut track = StatsTrack::parse("count=4,bytes=5").unwrap();
        let mut wanted = StatsTrack::unlimited();
        wanted.set(StatsTrack::COUNT_HARD_LIMIT, 7);
        track.take_over(&wanted);
        assert_eq!(track.to_string(), "count=4,bytes=5=;countHardLimit=7");
    }
}
