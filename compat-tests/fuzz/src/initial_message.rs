//! The first bytes on an election connection.

use server::any::{InitialMessage, Progress};

use crate::heap::in_proportion;

const FIRST: usize = 8;
const HEAD: usize = 20;
const ADDRESSES: std::ops::RangeInclusive<i32> = 1..=2048;

/// The input is what a peer sends.
pub fn initial_message(input: &[u8]) {
    let read = in_proportion(input, || InitialMessage::decode(input));
    let found = match &read {
        Ok(Progress::Needs(needs)) => Verdict::Needs(*needs),
        Ok(Progress::Whole(_, len)) => Verdict::Whole(*len),
        Err(_) => Verdict::Refused,
    };
    assert_eq!(found, verdict(input), "{read:?}");
    if let Ok(Progress::Whole(message, len)) = read {
        read_again(&message);
        read_bit_by_bit(input, len);
    }
}

/// What we send is what we read, as far as one message holds it.
fn read_again(message: &InitialMessage) {
    for multi_address in [false, true] {
        let bytes = message.encode(multi_address);
        if message.addresses.is_empty() {
            continue;
        }
        let Ok(Progress::Whole(again, len)) = InitialMessage::decode(&bytes) else {
            // A name may have grown when what is no UTF-8 was replaced, or be one that only brackets made a host.
            assert!(message.addresses.iter().any(|address| address.host.contains(['\u{fffd}', '[', ':'])));
            continue;
        };
        assert_eq!((again.sender, len), (message.sender, bytes.len()));
        assert!(again.addresses.len() <= message.addresses.len());
    }
}

/// A reader that gets only what it was told to wait for gets the message and not a byte more.
fn read_bit_by_bit(input: &[u8], len: usize) {
    let mut have = 0;
    while let Ok(Progress::Needs(needs)) = InitialMessage::decode(input.get(..have).unwrap_or_default()) {
        assert!(have < needs && needs <= len, "waits for what never comes");
        have = needs;
    }
    assert_eq!(have, len);
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Needs(usize),
    Whole(usize),
    Refused,
}

/// What the reference makes of the bytes: written down apart from what is tested.
fn verdict(bytes: &[u8]) -> Verdict {
    let Some(first) = bytes.get(..FIRST) else { return Verdict::Needs(FIRST) };
    match first {
        [0..=0x7f, ..] => return Verdict::Whole(FIRST),
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0 | 1] => {}
        _ => return Verdict::Refused,
    }
    let Some(head) = bytes.get(..HEAD) else { return Verdict::Needs(HEAD) };
    let length = head.iter().skip(HEAD - 4).fold(0_i32, |number, byte| (number << 8) | i32::from(*byte));
    if !ADDRESSES.contains(&length) {
        return Verdict::Refused;
    }
    let end = HEAD + usize::try_from(length).expect("a short one");
    let Some(text) = bytes.get(HEAD..end) else { return Verdict::Needs(end) };
    let text = String::from_utf8_lossy(text);
    let is_good = text.trim_end_matches('|').split('|').all(is_address);
    if is_good || text.trim_end_matches('|').is_empty() { Verdict::Whole(end) } else { Verdict::Refused }
}

fn is_address(text: &str) -> bool {
    let text = text.trim_end_matches(':');
    let (host, port) = match text.strip_prefix('[') {
        None => text.split_once(':').unwrap_or_default(),
        Some(rest) => {
            let (host, rest) = rest.split_once(']').unwrap_or_default();
            (host, rest.strip_prefix(|any: char| any.len_utf16() == 1).unwrap_or_default())
        }
    };
    let digits = port.strip_prefix('+').unwrap_or(port);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let digits = digits.trim_start_matches('0');
    !host.is_empty() && is_number && digits.len() <= 5 && digits.parse().unwrap_or(0) <= 65_535
}
