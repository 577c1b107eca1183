//! What happened: always as one number, on demand as text.

use crate::clock::{Micros, SECOND};

/// The course of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    is_told: bool,
    told: Vec<String>,
}

impl Trace {
    pub(crate) fn new(is_told: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, is_told, told: Vec::new() }
    }

    /// Something happened that numbers tell.
    pub(crate) fn mark(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.hash = (self.hash.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    /// Something happened that bytes tell.
    pub(crate) fn mark_bytes(&mut self, bytes: &[u8]) {
        let hash = hash_of(bytes);
        self.mark(&[hash]);
    }

    /// One line, made only when somebody reads it.
    pub(crate) fn say(&mut self, now: Micros, line: impl FnOnce() -> String) {
        if self.is_told {
            self.told.push(format!("{:>4}.{:06} {}", now / SECOND, now % SECOND, line()));
        }
    }

    /// Takes the lines so far.
    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// The number that stands for all of it.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

/// A number that stands for bytes.
pub(crate) fn hash_of(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    let rest = chunks.remainder().iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    (hash.rotate_left(5) ^ rest).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
