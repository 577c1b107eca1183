//! Bytes recorded from the reference, in both directions; `tests/vectors/README.md` says how they came about.
#![expect(clippy::panic, reason = "a test that panics fails")]

mod multi;
mod records;
mod snapshot;
mod strings;
mod txns;

use std::fmt::Write as _;

/// The words of each line of a file of vectors.
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(' ').collect())
}

/// The bytes of the vector of this name in a file with lines of name and bytes.
fn named(text: &str, name: &str) -> Vec<u8> {
    let line = lines(text).find(|words| words.first() == Some(&name)).expect(name);
    bytes(line.get(1).expect(name))
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).filter(|_| hex != "-");
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect(hex)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes all");
        hex
    })
}

/// The ACL that most vectors use.
fn acl() -> Vec<jute::data::Acl> {
    let entry = |perms, scheme: &str, id: &str| jute::data::Acl {
        perms,
        id: jute::data::Id { scheme: scheme.into(), id: id.into() },
    };
    vec![entry(31, "world", "anyone"), entry(1, "digest", "u:h")]
}
