//! Every record survives encoding and decoding; no prefix and no flipped bit of an encoding makes a decoder panic.
#![expect(clippy::indexing_slicing, reason = "a test that panics fails")]

use bytes::Bytes;
use jute::any::{RECORDS, reencode_named};
use jute::{DecodeError, Reader, Record};
use proptest::prelude::*;

/// One test for each record: its strategy, which has the same name, and its name in the schemas.
macro_rules! round_trips {
    ($($strategy:ident: $name:literal,)*) => {
        mod tests {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
                $(#[test]
                fn $strategy(record in super::$strategy()) {
                    crate::check($name, &record)?;
                })*
            }
        }

        /// The records with a test.
        pub(crate) const TESTED: &[&str] = &[$($name),*];
    };
}

mod generated;
mod values;

#[test]
fn every_record_is_tested() {
    let records: Vec<&str> = RECORDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(generated::TESTED, records);
}

fn check<T: Record + PartialEq + std::fmt::Debug>(name: &str, record: &T) -> Result<(), TestCaseError> {
    let bytes = Bytes::from(record.to_vec());
    let decoded = [T::decode(&mut Reader::new(&bytes)), T::from_slice(&bytes)];
    for outcome in &decoded {
        prop_assert_eq!(outcome.as_ref(), Ok(record));
    }
    let reencoded = reencode_named(name, &bytes);
    prop_assert_eq!(reencoded.as_deref(), Some(&bytes[..]));
    for len in 0..bytes.len() {
        // A prefix is too short, unless what is cut off is an optional tail.
        if let Err(error) = T::from_slice(&bytes[..len]) {
            prop_assert!(matches!(error, DecodeError::Truncated { .. }), "prefix of {}: {}", len, error);
        }
    }
    let mut flipped = bytes.to_vec();
    for at in 0..flipped.len() {
        for mask in [0x01, 0x80, 0xff] {
            flipped[at] ^= mask;
            if let Ok(other) = T::from_slice(&flipped) {
                // What was understood can be sent, and means the same again but for text that was malformed.
                prop_assert!(T::from_slice(&other.to_vec()).is_ok());
            }
            flipped[at] ^= mask;
        }
    }
    Ok(())
}
