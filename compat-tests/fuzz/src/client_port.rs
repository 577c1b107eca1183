//! What comes first on the client port.

use bytes::{Bytes, BytesMut};
use jute::proto::{ConnectRequest, ConnectResponse};
use jute::{Reader, Record, frame};

use crate::heap::in_proportion;

/// Frames of this size and more are refused here.
const FRAME_MAX: usize = 4096;

/// The first byte chooses how the rest is cut into reads.
pub fn client_port(input: &[u8]) {
    let Some((seed, bytes)) = input.split_first() else { return };
    in_proportion(input, || {
        let whole = frames(std::iter::once(bytes));
        let pieces = frames(bytes.chunks(usize::from(*seed).max(1)));
        assert_eq!(whole, pieces, "the cut of the bytes shows in the frames");
        if let Some(first) = whole.0.first() {
            handshake(first);
        }
    });
}

/// The frames, and whether a bad length ended them.
fn frames<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> (Vec<Bytes>, bool) {
    let (mut received, mut frames) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        received.extend_from_slice(piece);
        loop {
            match frame::split(&mut received, FRAME_MAX) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

/// All layouts of the handshake: with and without the last byte.
fn handshake(first: &Bytes) {
    if let Ok(request) = ConnectRequest::decode(&mut Reader::new(first)) {
        assert_eq!(ConnectRequest::from_slice(&request.to_vec()), Ok(request));
    }
    if let Ok(response) = ConnectResponse::decode(&mut Reader::new(first)) {
        assert_eq!(ConnectResponse::from_slice(&response.to_vec()), Ok(response));
    }
}
