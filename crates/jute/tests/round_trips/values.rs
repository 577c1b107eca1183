//! Strategies for single values.

use bytes::Bytes;
use proptest::prelude::*;

/// Text that comes back as it was sent: characters of two UTF-16 units do not, see `java_strings`.
pub(crate) fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>().prop_filter("one unit", |c| c.len_utf16() == 1), 0..8)
        .prop_map(String::from_iter)
}

/// A buffer: null, empty or filled.
pub(crate) fn buffer() -> impl Strategy<Value = Option<Bytes>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..16).prop_map(Bytes::from))
}
