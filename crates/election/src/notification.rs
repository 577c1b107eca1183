//! The message that peers exchange; it is no Jute record.
//!
//! | offset | field | |
//! |---|---|---|
//! | 0 | int state | of the sender |
//! | 4 | long leader | whom it proposes or follows |
//! | 12 | long zxid | of that candidate |
//! | 20 | long election epoch | the sender's round |
//! | 28 | long peer epoch | of the candidate; absent when the message has 28 bytes |
//! | 36 | int version | without a meaning when the message has 40 bytes |
//! | 40 | int length, text | from version 2 on: the membership that the sender knows |

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use jute::{DecodeError, Reader, Zxid, write};

use crate::vote::Candidate;

/// Version of the messages that we write: with the membership.
// zk: FastLeaderElection.Notification.CURRENTVERSION
pub const VERSION: i32 = 2;

/// Length of a message from before there were peer epochs, and the least of all.
const LEN_WITHOUT_PEER_EPOCH: usize = 28;
/// Length of a message whose last number is no version.
const LEN_WITHOUT_VERSION: usize = 40;
/// Length of a message of ours without the membership.
const LEN_WITHOUT_CONFIG: usize = 44;

/// What a peer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerState {
    /// It looks for a leader.
    Looking = 0,
    /// It follows one.
    Following = 1,
    /// It leads.
    Leading = 2,
    /// It observes a leader.
    Observing = 3,
}

impl PeerState {
    /// The state of a number on the wire.
    #[must_use]
    pub const fn from_code(code: i32) -> Option<Self> {
        match code {
            0 => Some(Self::Looking),
            1 => Some(Self::Following),
            2 => Some(Self::Leading),
            3 => Some(Self::Observing),
            _ => None,
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn code(self) -> i32 {
        self as i32
    }
}

impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Looking => "looking",
            Self::Following => "following",
            Self::Leading => "leading",
            Self::Observing => "observing",
        })
    }
}

/// One election message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What the sender is doing.
    pub state: PeerState,
    /// Id of the server it proposes or follows; [`i64::MIN`] from one that may not be elected.
    pub leader: i64,
    /// Last zxid of that server.
    pub zxid: Zxid,
    /// The round of the sender, or the one in which it settled.
    pub election_epoch: i64,
    /// `currentEpoch` of that server.
    pub peer_epoch: i64,
    /// Text of the membership that the sender knows; from version 2 on.
    pub config: Option<String>,
    /// Version of the format it came in; 0 for the formats without one.
    pub version: i32,
}

/// Why bytes are not taken for an election message. The connection they came over lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Fewer bytes than the oldest format has.
    Short {
        /// How many there are.
        len: usize,
    },
    /// It ends within a field.
    Truncated {
        /// How many bytes there are.
        len: usize,
    },
    /// The length of the membership is negative or above that of the message.
    ConfigLength {
        /// What stands there.
        config_len: i32,
    },
    /// The state is none that exists.
    State {
        /// What stands there.
        code: i32,
    },
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { len } => write!(f, "{len} bytes are too short for an election message"),
            Self::Truncated { len } => write!(f, "the election message ends within a field, at byte {len}"),
            Self::ConfigLength { config_len } => {
                write!(f, "the election message cannot hold a membership of {config_len} bytes")
            }
            Self::State { code } => write!(f, "the election message names the state {code}, which is none"),
        }
    }
}

impl core::error::Error for Ignored {}

impl Notification {
    /// Reads a message in any of its formats; what stands behind it is not looked at.
    ///
    /// # Errors
    /// [`Ignored`] when it is none.
    // zk: FastLeaderElection.Messenger.WorkerReceiver.run: which bytes are a message
    pub fn decode(bytes: &[u8]) -> Result<Self, Ignored> {
        let len = bytes.len();
        if len < LEN_WITHOUT_PEER_EPOCH {
            return Err(Ignored::Short { len });
        }
        let (code, notification) = fields(bytes)?;
        // diverges(election-unknown-state): what has no state is not looked at any further
        let state = PeerState::from_code(code).ok_or(Ignored::State { code })?;
        Ok(Self { state, ..notification })
    }

    /// The bytes of the message, always in the format of [`VERSION`].
    // zk: FastLeaderElection.buildMsg
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let config = self.config.as_deref().unwrap_or_default().as_bytes();
        let mut out = Vec::with_capacity(LEN_WITHOUT_CONFIG + config.len());
        write::int(&mut out, self.state.code());
        write::long(&mut out, self.leader);
        write::long(&mut out, self.zxid.0);
        write::long(&mut out, self.election_epoch);
        write::long(&mut out, self.peer_epoch);
        write::int(&mut out, VERSION);
        write::int(&mut out, i32::try_from(config.len()).unwrap_or(i32::MAX));
        out.extend_from_slice(config);
        out
    }

    /// The candidate that it speaks for.
    #[must_use]
    pub fn candidate(&self) -> Candidate {
        Candidate { peer_epoch: self.peer_epoch, zxid: self.zxid, leader: self.leader }
    }
}

/// The number of the state, and all else with any state.
fn fields(bytes: &[u8]) -> Result<(i32, Notification), Ignored> {
    let len = bytes.len();
    let truncated = |_: DecodeError| Ignored::Truncated { len };
    let mut reader = Reader::from_slice(bytes);
    let code = reader.int().map_err(truncated)?;
    let leader = reader.long().map_err(truncated)?;
    let zxid = Zxid(reader.long().map_err(truncated)?);
    let election_epoch = reader.long().map_err(truncated)?;
    let peer_epoch = match len {
        LEN_WITHOUT_PEER_EPOCH => i64::from(zxid.epoch()),
        _ => reader.long().map_err(truncated)?,
    };
    let version = match len {
        LEN_WITHOUT_PEER_EPOCH | LEN_WITHOUT_VERSION => 0,
        _ => reader.int().map_err(truncated)?,
    };
    let config = match version {
        ..=1 => None,
        _ => Some(config(&mut reader, len)?),
    };
    let state = PeerState::Looking;
    Ok((code, Notification { state, leader, zxid, election_epoch, peer_epoch, config, version }))
}

fn config(reader: &mut Reader<'_>, len: usize) -> Result<String, Ignored> {
    let config_len = reader.int().map_err(|_| Ignored::Truncated { len })?;
    let text = usize::try_from(config_len).ok().filter(|config_len| *config_len <= len);
    let text = reader.take(text.ok_or(Ignored::ConfigLength { config_len })?);
    Ok(String::from_utf8_lossy(text.map_err(|_| Ignored::Truncated { len })?).into_owned())
}

#[cfg(test)]
mod tests;
