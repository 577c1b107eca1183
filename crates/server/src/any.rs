//! Decoders over bytes: what fuzzers and recorded vectors are fed through.

pub use crate::quorum::mesh::initial_message::{InitialMessage, InitialMessageError, Progress};
