//! The client port: frames, handshake in all layouts, four-letter words, requests.

/// The first byte chooses how the rest is cut into reads; the outcome must not depend on it.
pub fn client_port(input: &[u8]) {
    pipeline::connection::harness::fuzz_entry(input);
}
