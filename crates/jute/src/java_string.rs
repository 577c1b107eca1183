//! Strings as Java writes and reads them.
//!
//! The writer walks UTF-16 units and emits one to three bytes for each, so that a supplementary character becomes two
//! surrogates of three bytes. The reader takes ordinary UTF-8 and puts U+FFFD where the bytes are none; a surrogate of three
//! bytes becomes *one* U+FFFD, so a supplementary character comes back as two.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

/// First byte of a character of four bytes in UTF-8, or more than it.
const LEAD_OF_FOUR: u8 = 0xf0;
/// Lead byte of the surrogates in three bytes.
const LEAD_OF_SURROGATE: u8 = 0xed;

/// Length of the encoding in bytes.
pub(crate) fn encoded_len(text: &str) -> usize {
    text.len() + 2 * text.bytes().filter(|byte| *byte >= LEAD_OF_FOUR).count()
}

/// Whether the encoding is the UTF-8.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte < LEAD_OF_FOUR)
}

/// Appends the encoding, without a length.
// zk: BinaryOutputArchive.stringToByteBuffer: UTF-16 units, each on its own
pub(crate) fn encode(out: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for character in text.chars() {
        if character.len_utf8() < 4 {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| encode_surrogate(out, *unit));
        }
    }
}

fn encode_surrogate(out: &mut Vec<u8>, unit: u16) {
    let [high, low] = unit.to_be_bytes();
    out.push(0xe0 | high >> 4);
    out.push(0x80 | (high << 2 | low >> 6) & 0x3f);
    out.push(0x80 | low & 0x3f);
}

/// Decodes bytes as Java's `new String(bytes, UTF_8)` does.
// zk: BinaryInputArchive.readString: the policy of the JDK's UTF-8 decoder
pub fn decode(bytes: &[u8]) -> String {
    if let Ok(text) = core::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(chunk) = rest.utf8_chunks().next() else { break };
        text.push_str(chunk.valid());
        let bad = rest.get(chunk.valid().len()..).unwrap_or_default();
        if bad.is_empty() {
            break;
        }
        text.push(char::REPLACEMENT_CHARACTER);
        rest = bad.get(malformed_len(bad, chunk.invalid().len())..).unwrap_or_default();
    }
    text
}

/// How many of the bytes at the start of `bad` one U+FFFD stands for: as many as Rust says, but more for surrogates.
fn malformed_len(bad: &[u8], otherwise: usize) -> usize {
    match bad {
        [LEAD_OF_SURROGATE, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
        [LEAD_OF_SURROGATE, 0xa0..=0xbf, ..] => 2,
        _ => otherwise.max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supplementary_character_becomes_two_surrogates() {
        let mut out = Vec::new();
        encode(&mut out, "a\u{1f600}\u{0}é");
        assert_eq!(out, [0x61, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, 0, 0xc3, 0xa9]);
        assert_eq!(out.len(), encoded_len("a\u{1f600}\u{0}é"));
    }

    #[test]
    fn surrogates_come_back_as_one_replacement_each() {
        assert_eq!(decode(&[0x61, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]), "a\u{fffd}\u{fffd}");
        assert_eq!(decode(&[0xed, 0xa0]), "\u{fffd}");
        assert_eq!(decode(&[0xed, 0xa0, 0x41]), "\u{fffd}A");
    }
}
