//! Appends values in Jute encoding.

use alloc::vec::Vec;

use crate::java_string;

/// Appends one byte.
pub fn byte(out: &mut Vec<u8>, value: u8) {
    out.push(value);
}

/// Appends a boolean as one byte, 0 or 1.
pub fn boolean(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

/// Appends a 32-bit number.
pub fn int(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a 64-bit number.
pub fn long(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a buffer; `None` is null.
pub fn buffer(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => int(out, -1),
        Some(bytes) => {
            length(out, bytes.len());
            out.extend_from_slice(bytes);
        }
    }
}

/// Appends a string as Java's writer does: each UTF-16 unit in one to three bytes.
pub fn string(out: &mut Vec<u8>, value: &str) {
    length(out, java_string::encoded_len(value));
    java_string::encode(out, value);
}

/// Whether the UTF-8 of a string is what stands on the wire: of all but characters beyond the basic plane.
pub fn is_plain(value: &str) -> bool {
    java_string::is_plain(value)
}

/// Appends a string of which [`is_plain`] said so, by its UTF-8.
pub fn plain_string(out: &mut Vec<u8>, utf8: &[u8]) {
    out.reserve(size_of::<i32>() + utf8.len());
    length(out, utf8.len());
    out.extend_from_slice(utf8);
}

/// Appends a string that may be null.
pub fn nullable_string(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        None => int(out, -1),
        Some(value) => string(out, value),
    }
}

/// Appends a vector, each item by `item`.
pub fn vector<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&T, &mut Vec<u8>)) {
    length(out, items.len());
    for value in items {
        item(value, out);
    }
}

/// Appends a vector that may be null, each item by `item`.
pub fn nullable_vector<T>(out: &mut Vec<u8>, items: Option<&[T]>, item: impl FnMut(&T, &mut Vec<u8>)) {
    match items {
        None => int(out, -1),
        Some(items) => vector(out, items, item),
    }
}

/// Appends what `body` appends, with its length in front: a frame, or a buffer whose content is a record.
pub fn with_length(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    int(out, 0);
    body(out);
    let len = out.len().saturating_sub(start + size_of::<i32>());
    if let Some(place) = out.get_mut(start..start + size_of::<i32>()) {
        place.copy_from_slice(&wire_len(len).to_be_bytes());
    }
}

fn length(out: &mut Vec<u8>, len: usize) {
    int(out, wire_len(len));
}

fn wire_len(len: usize) -> i32 {
    i32::try_from(len).expect("invariant: what is written came through limits far below 2 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_patched_in() {
        let mut out = alloc::vec![9];
        with_length(&mut out, |out| with_length(out, |out| byte(out, 5)));
        assert_eq!(out, [9, 0, 0, 0, 5, 0, 0, 0, 1, 5]);
    }

    #[test]
    fn null_and_empty_differ() {
        let mut out = Vec::new();
        buffer(&mut out, None);
        buffer(&mut out, Some(&[]));
        nullable_string(&mut out, None);
        nullable_string(&mut out, Some(""));
        nullable_vector::<i32>(&mut out, None, |_, _| ());
        nullable_vector::<i32>(&mut out, Some(&[]), |_, _| ());
        let (null, empty) = ([0xff; 4], [0; 4]);
        assert_eq!(out, [null, empty, null, empty, null, empty].concat());
    }
}
