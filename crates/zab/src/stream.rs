//! The two directions of a link as streams: bytes in pieces of any size in, packets and parts of a snapshot out.
//!
//! * [`FromLeader`] enters snapshot mode with the SNAP packet and leaves it behind the signature, by itself.
//! * **Invariant:** any way of cutting the bytes into pieces gives the same items.
//! * **Invariant:** no memory is taken for what is only announced; each length is checked against its limit before the bytes
//!   that it stands for are waited for.
//! * After an error the stream is of no further use: it goes on giving the same error.

mod buffer;
mod measure;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use jute::snapshot::{SnapshotDecoder, SnapshotItem};
use jute::{DecodeError, Reader, write};

use crate::packet::{From, Packet, PacketError};
use buffer::Buffer;
use measure::Measure;

/// What stands behind the state in the answer to SNAP.
// zk: LearnerHandler.run, Learner.syncWithLeader
pub const SIGNATURE: &str = "BenWasHere";

// diverges(identities-of-a-request): the reference takes any number
/// Identities that one packet may carry. The reference has no limit; its servers send a handful.
pub const IDENTITIES_MAX: usize = 1024;

/// Why a stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamError {
    /// A packet is malformed.
    Packet(PacketError),
    /// A packet carries more identities than one may.
    TooManyIdentities(usize),
    /// A packet is longer than one may be, though each of its fields is not.
    TooLong {
        /// Its length, as far as it is known.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// The state behind SNAP is malformed.
    Snapshot(DecodeError),
    /// Something else stands where the signature should.
    Signature(String),
}

/// Something that a leader sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A packet.
    Packet(Packet),
    /// A part of the state behind SNAP.
    SnapshotItem(SnapshotItem),
    /// The state was whole and its signature right; packets follow.
    SnapshotEnd,
}

/// Reads packets from pieces.
#[derive(Debug)]
pub struct PacketDecoder {
    from: From,
    field_max: usize,
    buffer: Buffer,
    error: Option<StreamError>,
}

impl PacketDecoder {
    /// A decoder at the start of a packet; each string and buffer in it may be so long.
    pub fn new(from: From, field_max: usize) -> Self {
        Self { from, field_max, buffer: Buffer::default(), error: None }
    }

    /// Takes a piece.
    pub fn feed(&mut self, piece: &[u8]) {
        if self.error.is_none() {
            self.buffer.feed(piece);
        }
    }

    /// The next packet; `None` when it is not here as a whole.
    ///
    /// # Errors
    /// [`StreamError`], from then on each time.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end")]
    pub fn next(&mut self) -> Result<Option<Packet>, StreamError> {
        self.guarded(Self::next_packet)
    }

    /// Number of bytes that wait for more.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn guarded<T>(
        &mut self,
        next: impl FnOnce(&mut Self) -> Result<Option<T>, StreamError>,
    ) -> Result<Option<T>, StreamError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        next(self).inspect_err(|error| {
            self.buffer = Buffer::default();
            self.error = Some(error.clone());
        })
    }

    fn next_packet(&mut self) -> Result<Option<Packet>, StreamError> {
        let field_max = self.field_max;
        let Some(bytes) = self.buffer.take(|bytes| measure::packet(bytes, field_max))? else {
            return Ok(None);
        };
        let mut reader = Reader::new(&bytes).with_limit(field_max);
        Packet::decode(self.from, &mut reader).map(Some).map_err(StreamError::Packet)
    }
}

/// What a leader reads.
#[derive(Debug)]
pub struct FromLearner(PacketDecoder);

impl FromLearner {
    /// A stream at its start.
    pub fn new(field_max: usize) -> Self {
        Self(PacketDecoder::new(From::Learner, field_max))
    }

    /// Takes a piece.
    pub fn feed(&mut self, piece: &[u8]) {
        self.0.feed(piece);
    }

    /// The next packet; `None` when it is not here as a whole.
    ///
    /// # Errors
    /// [`StreamError`], from then on each time.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end")]
    pub fn next(&mut self) -> Result<Option<Packet>, StreamError> {
        self.0.next()
    }

    /// Number of bytes that wait for more.
    pub fn buffered(&self) -> usize {
        self.0.buffered()
    }
}

/// What a learner reads.
#[derive(Debug)]
pub struct FromLeader {
    packets: PacketDecoder,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    Packets,
    /// `measure` tells how much the next part needs.
    Snapshot {
        decoder: SnapshotDecoder,
        measure: fn(&[u8]) -> usize,
    },
    Signature,
}

impl FromLeader {
    /// A stream at its start.
    pub fn new(field_max: usize) -> Self {
        Self { packets: PacketDecoder::new(From::Leader, field_max), mode: Mode::Packets }
    }

    /// Takes a piece.
    pub fn feed(&mut self, piece: &[u8]) {
        self.packets.feed(piece);
    }

    /// The next item; `None` when it is not here as a whole.
    ///
    /// # Errors
    /// [`StreamError`], from then on each time.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end")]
    pub fn next(&mut self) -> Result<Option<Item>, StreamError> {
        let Self { packets, mode } = self;
        packets.guarded(|packets| match mode {
            Mode::Packets => Self::next_packet(packets, mode),
            Mode::Snapshot { .. } => Self::next_part(packets, mode),
            Mode::Signature => Self::next_signature(packets, mode),
        })
    }

    /// Number of bytes that wait for more.
    pub fn buffered(&self) -> usize {
        self.packets.buffered()
    }

    /// Whether the state behind SNAP is being read.
    pub fn is_in_snapshot(&self) -> bool {
        !matches!(self.mode, Mode::Packets)
    }

    fn next_packet(packets: &mut PacketDecoder, mode: &mut Mode) -> Result<Option<Item>, StreamError> {
        let packet = packets.next_packet()?;
        if matches!(packet, Some(Packet::Snap(_))) {
            *mode = Mode::Snapshot { decoder: SnapshotDecoder::new(), measure: measure::unknown };
        }
        Ok(packet.map(Item::Packet))
    }

    fn next_part(packets: &mut PacketDecoder, mode: &mut Mode) -> Result<Option<Item>, StreamError> {
        let Mode::Snapshot { decoder, measure } = mode else { return Ok(None) };
        let field_max = packets.field_max;
        let item = packets
            .buffer
            .read(*measure, |bytes| {
                let mut reader = Reader::from_slice(bytes).with_limit(field_max);
                decoder.next(&mut reader).map(|item| (item, reader.position()))
            })
            .map_err(StreamError::Snapshot)?;
        match item {
            Some(SnapshotItem::Acls(_)) => *measure = measure::node,
            Some(SnapshotItem::End) => *mode = Mode::Signature,
            Some(SnapshotItem::Sessions(_) | SnapshotItem::Node { .. }) | None => {}
        }
        Ok(item.map(Item::SnapshotItem))
    }

    fn next_signature(packets: &mut PacketDecoder, mode: &mut Mode) -> Result<Option<Item>, StreamError> {
        let Some(bytes) = packets.buffer.take(measure::signature)? else { return Ok(None) };
        let found = Reader::new(&bytes).string().map_err(StreamError::Snapshot)?;
        if found.as_deref() != Some(SIGNATURE) {
            return Err(StreamError::Signature(found.unwrap_or_default()));
        }
        *mode = Mode::Packets;
        Ok(Some(Item::SnapshotEnd))
    }
}

/// Appends a part of the state behind SNAP as it travels.
pub fn encode_snapshot_item(item: &SnapshotItem, out: &mut Vec<u8>) {
    item.encode(out);
}

/// Appends what stands behind the last part.
pub fn encode_signature(out: &mut Vec<u8>) {
    write::string(out, SIGNATURE);
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(error) => error.fmt(f),
            Self::TooManyIdentities(count) => {
                write!(f, "packet with {count} identities, at most {IDENTITIES_MAX} are taken")
            }
            Self::TooLong { length, max } => write!(f, "packet of {length} bytes, at most {max} are taken"),
            Self::Snapshot(error) => write!(f, "snapshot: {error}"),
            Self::Signature(found) => write!(f, "snapshot: {found:?} in place of its signature"),
        }
    }
}

#[cfg(test)]
mod tests;
