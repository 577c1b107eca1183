//! One connection: frames in both directions until something ends it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ensemble::ServerId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::budget::Budget;
use super::dial::within;
use super::settings::{MESSAGE_BYTES_MAX, NON_MEMBER_MESSAGE_BURST, NON_MEMBER_MESSAGE_EVERY};
use super::table::{LinkId, Seat};

/// Serves the connection; the table says when it has to go.
pub(super) async fn run(shared: Arc<Shared>, seat: Seat, mut stream: TcpStream) {
    let Seat { id, remote, wake, ended } = seat;
    tracing::info!(peer = %id.peer, %remote, "election connection is up");
    let (reader, writer) = stream.split();
    let outcome = tokio::select! {
        _ = ended => return,
        outcome = receive(&shared, id, reader) => outcome,
        outcome = transmit(&shared, id, &wake, writer) => outcome,
    };
    if let Err(why) = outcome {
        tracing::warn!(peer = %id.peer, %remote, "election connection dropped: {why}");
    }
    if let Some(order) = shared.table().unlink(id) {
        shared.spawn_dial(order);
    }
}

// zk: QuorumCnxManager.RecvWorker
async fn receive(shared: &Shared, id: LinkId, reader: ReadHalf<'_>) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    let mut budget = Budget::new(NON_MEMBER_MESSAGE_BURST, NON_MEMBER_MESSAGE_EVERY, Instant::now());
    loop {
        let message = read_frame(&mut reader).await?;
        let Ok(is_member) = shared.table().heard(id, Instant::now()) else { return Ok(()) };
        if !is_member {
            while let Err(at) = budget.take(Instant::now()) {
                sleep_until(at).await;
            }
        }
        if let Some((from, _)) = shared.inbox.put(id.peer, message, is_member) {
            tracing::debug!(peer = %from, "a message was forgotten: too many wait");
        }
    }
}

async fn read_frame(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let length = reader.read_i32().await?;
    let Some(len) = usize::try_from(length).ok().filter(|len| (1..=MESSAGE_BYTES_MAX).contains(len)) else {
        let why = format!("a message of {length} bytes, not 1 to {MESSAGE_BYTES_MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    };
    // Grows with what comes, not with what is announced.
    let mut message = Vec::new();
    reader.take(len as u64).read_to_end(&mut message).await?;
    if message.len() < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(message.into())
}

// zk: QuorumCnxManager.SendWorker
async fn transmit(shared: &Shared, id: LinkId, wake: &Notify, mut writer: WriteHalf<'_>) -> io::Result<()> {
    let mut is_first = true;
    loop {
        let next = shared.table().next_message(id, is_first);
        is_first = false;
        match next {
            Ok(Some(message)) => {
                let frame = frame(&message);
                within(shared.settings.handshake_timeout, writer.write_all(&frame)).await?;
            }
            Ok(None) => wake.notified().await,
            Err(_) => return Ok(()),
        }
    }
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = i32::try_from(message.len()).expect("invariant: checked when it was queued");
    let mut frame = Vec::with_capacity(4 + message.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(message);
    frame
}

/// Whether a peer would take a message of this length; ours is a bug if not.
pub(super) fn can_be_sent(to: ServerId, message: &Bytes) -> bool {
    let fits = (1..=MESSAGE_BYTES_MAX).contains(&message.len());
    if !fits {
        tracing::error!(peer = %to, bytes = message.len(), "a message that no peer would take is not sent");
    }
    fits
}
