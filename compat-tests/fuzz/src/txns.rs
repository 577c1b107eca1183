//! Transactions, as they stand in logs and proposals.

use jute::any;

use crate::requests::round_trip;

/// A header, a transaction, and perhaps a digest.
pub fn txns(input: &[u8]) {
    round_trip(input, any::decode_any_txn);
}
