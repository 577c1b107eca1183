//! Bodies of requests.

use jute::{OpCode, any};

use crate::heap::in_proportion;

/// The first byte chooses the type of request, the rest is its body.
pub fn requests(input: &[u8]) {
    let Some((choice, body)) = input.split_first() else { return };
    if let Some(op) = OpCode::ALL.get(usize::from(*choice) % OpCode::ALL.len()) {
        body_of(*op, body);
    }
}

/// The body of a request of this type.
pub(crate) fn body_of(op: OpCode, body: &[u8]) {
    let reencode = |bytes: &[u8]| any::decode_any_request(op.code(), bytes);
    if matches!(op, OpCode::Multi | OpCode::MultiRead) {
        // A createTTL with flags of another mode becomes a create with these flags, which is refused when it is read
        // again: as in the reference, where neither is ever written.
        in_proportion(body, || drop(reencode(body).map(|once| reencode(&once))));
    } else {
        round_trip(body, reencode);
    }
}

/// What decodes must encode to bytes that decode again, and after a second time nothing changes any more: the first
/// time, characters beyond the basic plane become what Java's reader makes of Java's own encoding of them.
pub(crate) fn round_trip(bytes: &[u8], reencode: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    in_proportion(bytes, || {
        let Some(once) = reencode(bytes) else { return };
        let twice = reencode(&once).expect("what we write we do not read back");
        assert_eq!(reencode(&twice).as_ref(), Some(&twice), "what we write we read as something else");
    });
}
