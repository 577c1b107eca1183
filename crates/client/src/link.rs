//! One connection with a session on it: requests out, replies and events in, pings in between.

use std::collections::VecDeque;
use std::time::Duration;

use jute::proto::{AuthPacket, ReplyHeader, RequestHeader, SetWatches, SetWatches2, WatcherEvent};
use jute::{ErrorCode, OpCode, Reader, Record, Zxid, xid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::call::{Auth, Call, Closing, Command, Effect, Reply};
use crate::driver::Driver;
use crate::error::Error;
use crate::event::{Event, EventKind, SessionState};
use crate::frame::{Input, Output};
use crate::handshake::Established;
use crate::watches::Batch;

/// Bytes that may wait for the socket before further requests have to wait for their turn.
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// Requests taken in one go, so that replies are not starved.
const COMMANDS_PER_TURN: usize = 64;
/// The longest silence of ours, whatever the session timeout.
// zk: ClientCnxn.SendThread.run: MAX_SEND_PING_INTERVAL
const PING_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The session may go on elsewhere.
    Lost(String),
    /// The session is over.
    Final(SessionState),
}

/// A connection that serves.
///
/// * replies come in the order of `pending`;
/// * after `closing`, no request is taken.
pub(crate) struct Link<'d> {
    driver: &'d mut Driver,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    input: Input,
    output: Output,
    pending: VecDeque<Pending>,
    auths: VecDeque<Option<oneshot::Sender<Result<(), Error>>>>,
    session_timeout: Duration,
    heard: Instant,
    sent: Instant,
    closing: bool,
}

/// A request that waits for its reply; the one that closes the session has nobody to tell.
struct Pending {
    xid: i32,
    effect: Effect,
    reply: Option<oneshot::Sender<Result<Reply, Error>>>,
}

impl<'d> Link<'d> {
    /// Starts with what a new connection has to tell the server: identities, then watches.
    pub(crate) fn new(driver: &'d mut Driver, established: Established) -> Self {
        let (reader, writer) = established.stream.into_split();
        let now = Instant::now();
        let mut link = Self {
            driver,
            reader,
            writer,
            input: established.input,
            output: Output::default(),
            pending: VecDeque::new(),
            auths: VecDeque::new(),
            session_timeout: established.session_timeout,
            heard: now,
            sent: now,
            closing: false,
        };
        for (scheme, data) in link.driver.auths.clone() {
            link.send_auth(&scheme, &data);
            link.auths.push_back(None);
        }
        for batch in link.driver.watches.batches() {
            link.send_watches(batch);
        }
        link
    }

    /// Serves until the connection or the session ends; no request stays without an answer.
    pub(crate) async fn serve(mut self) -> End {
        let end = match self.run().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        let error = match &end {
            End::Lost(_) => Error::ConnectionLoss,
            End::Final(SessionState::AuthFailed) => Error::AuthFailed,
            End::Final(_) => Error::Closed,
        };
        self.fail_pending(&error);
        end
    }

    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        loop {
            self.take_frames()?;
            let may_read = !self.driver.events.is_full();
            let may_send = self.may_send();
            let wake = self.ping_due().min(self.given_up());
            tokio::select! {
                () = self.driver.events.flush(), if !may_read => {
                    // What was not read while the caller was slow must not count as the server's silence.
                    self.heard = Instant::now();
                }
                read = self.reader.read_buf(self.input.spare()), if may_read => match read {
                    Ok(0) => return Err(self.lost("the server closed the connection")),
                    Ok(_) => self.heard = Instant::now(),
                    Err(why) => return Err(self.lost(&why.to_string())),
                },
                written = self.writer.write(self.output.waiting()), if !self.output.waiting().is_empty() => {
                    match written {
                        Ok(count) => self.output.sent(count),
                        Err(why) => return Err(self.lost(&why.to_string())),
                    }
                }
                command = self.driver.commands.recv(), if may_send => match command {
                    Some(command) => self.take_commands(command),
                    None => self.close_session(),
                },
                how = self.driver.closing.recv(), if !self.closing => match how {
                    Some(Closing::ConnectionOnly) => return Err(End::Final(SessionState::Closed)),
                    Some(Closing::Session) | None => self.close_session(),
                },
                () = sleep_until(wake) => self.on_silence()?,
            }
        }
    }

    fn may_send(&self) -> bool {
        !self.closing
            && self.pending.len() < self.driver.options.in_flight_max
            && self.output.waiting().len() < OUTPUT_BYTES_MAX
    }

    fn ping_due(&self) -> Instant {
        self.sent + (self.session_timeout / 3).min(PING_INTERVAL_MAX)
    }

    fn given_up(&self) -> Instant {
        let patience = self.session_timeout * 2 / 3;
        if self.driver.events.is_full() { Instant::now() + patience } else { self.heard + patience }
    }

    fn on_silence(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if now >= self.given_up() {
            let silent_ms = now.duration_since(self.heard).as_millis();
            return Err(self.lost(&format!("nothing heard from the server in {silent_ms} ms")));
        }
        if now >= self.ping_due() {
            self.send(xid::PING, OpCode::Ping.code(), |_| {});
        }
        Ok(())
    }

    fn lost(&self, why: &str) -> End {
        if self.closing {
            return End::Final(SessionState::Closed);
        }
        match &self.driver.status.borrow().server {
            Some(server) => End::Lost(format!("{server}: {why}")),
            None => End::Lost(why.to_owned()),
        }
    }

    fn fail_pending(&mut self, error: &Error) {
        for pending in std::mem::take(&mut self.pending) {
            self.driver.forget_locally(&pending.effect);
            if let Some(reply) = pending.reply {
                drop(reply.send(Err(error.clone())));
            }
        }
        for reply in self.auths.drain(..).flatten() {
            drop(reply.send(Err(error.clone())));
        }
    }
}

/// Sending.
impl Link<'_> {
    fn take_commands(&mut self, first: Command) {
        self.take_command(first);
        for _ in 1..COMMANDS_PER_TURN {
            if !self.may_send() {
                return;
            }
            let Ok(command) = self.driver.commands.try_recv() else { return };
            self.take_command(command);
        }
    }

    fn take_command(&mut self, command: Command) {
        match command {
            Command::Call(call) => self.send_call(call),
            Command::Auth(Auth { scheme, data, reply }) => {
                self.send_auth(&scheme, &data);
                self.driver.auths.push((scheme, data));
                self.auths.push_back(Some(reply));
            }
        }
    }

    fn send_call(&mut self, call: Call) {
        let xid = self.take_xid();
        self.send(xid, call.op_code, |out| out.extend_from_slice(&call.body));
        self.pending.push_back(Pending { xid, effect: call.effect, reply: Some(call.reply) });
    }

    /// Requests that were submitted before still go out first.
    fn close_session(&mut self) {
        while let Ok(command) = self.driver.commands.try_recv() {
            self.take_command(command);
        }
        let xid = self.take_xid();
        self.send(xid, OpCode::CloseSession.code(), |_| {});
        self.pending.push_back(Pending { xid, effect: Effect::None, reply: None });
        self.closing = true;
    }

    fn send_auth(&mut self, scheme: &str, data: &[u8]) {
        let packet = AuthPacket { auth_type: 0, scheme: scheme.to_owned(), auth: Some(data.to_vec().into()) };
        self.send(xid::AUTH, OpCode::Auth.code(), |out| packet.encode(out));
    }

    fn send_watches(&mut self, batch: Batch) {
        let relative_zxid = Zxid(self.driver.session.last_zxid);
        if batch.needs_set_watches2() {
            let request = SetWatches2 {
                relative_zxid,
                data_watches: batch.data,
                exist_watches: batch.exist,
                child_watches: batch.child,
                persistent_watches: batch.persistent,
                persistent_recursive_watches: batch.recursive,
            };
            self.send(xid::SET_WATCHES, OpCode::SetWatches2.code(), |out| request.encode(out));
        } else {
            let request = SetWatches {
                relative_zxid,
                data_watches: batch.data,
                exist_watches: batch.exist,
                child_watches: batch.child,
            };
            self.send(xid::SET_WATCHES, OpCode::SetWatches.code(), |out| request.encode(out));
        }
    }

    fn send(&mut self, xid: i32, op_code: i32, body: impl FnOnce(&mut Vec<u8>)) {
        self.output.frame(|out| {
            RequestHeader { xid, op_code }.encode(out);
            body(out);
        });
        self.sent = Instant::now();
    }

    /// Positive numbers only: the others have a meaning of their own.
    fn take_xid(&mut self) -> i32 {
        let xid = self.driver.next_xid;
        self.driver.next_xid = xid.checked_add(1).unwrap_or(1);
        xid
    }
}

/// Receiving.
impl Link<'_> {
    fn take_frames(&mut self) -> Result<(), End> {
        while !self.driver.events.is_full() {
            match self.input.next_frame(self.driver.options.frame_bytes_max) {
                Ok(Some(frame)) => self.on_frame(&frame)?,
                Ok(None) => return Ok(()),
                Err(bad) => return Err(self.lost(&format!("a frame of {} bytes is out of range", bad.0))),
            }
        }
        Ok(())
    }

    fn on_frame(&mut self, frame: &[u8]) -> Result<(), End> {
        let mut reader = Reader::from_slice(frame).with_limit(frame.len());
        let header = ReplyHeader::decode(&mut reader).map_err(|why| self.lost(&why.to_string()))?;
        match header.xid {
            xid::PING | xid::SET_WATCHES => Ok(()),
            xid::AUTH => self.on_auth_reply(header.err),
            xid::NOTIFICATION => self.on_notification(header.zxid, &mut reader),
            _ => self.on_reply(header, reader.rest().to_vec()),
        }
    }

    fn on_auth_reply(&mut self, code: i32) -> Result<(), End> {
        let outcome = match code {
            0 => Ok(()),
            code if code == ErrorCode::AuthFailed.code() => Err(Error::AuthFailed),
            code => Err(Error::Server { code, path: None }),
        };
        if let Some(Some(reply)) = self.auths.pop_front() {
            drop(reply.send(outcome.clone()));
        }
        match outcome {
            Err(Error::AuthFailed) => Err(End::Final(SessionState::AuthFailed)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn on_notification(&mut self, zxid: Zxid, reader: &mut Reader<'_>) -> Result<(), End> {
        let event = WatcherEvent::decode(reader).map_err(|why| self.lost(&why.to_string()))?;
        let Some(kind) = EventKind::from_wire(event.event_type) else {
            return Err(self.lost(&format!("an event of unknown type {}", event.event_type)));
        };
        self.driver.watches.fired(kind, &event.path);
        let path = Some(self.driver.chroot.to_caller(event.path));
        let state = self.driver.status.borrow().state;
        self.driver.events.push(Event { kind, state, path, zxid: zxid.0 });
        Ok(())
    }

    fn on_reply(&mut self, header: ReplyHeader, body: Vec<u8>) -> Result<(), End> {
        let Some(pending) = self.pending.pop_front() else {
            return Err(self.lost(&format!("a reply with xid {} to no request", header.xid)));
        };
        if pending.xid != header.xid {
            let why = format!("a reply with xid {} to the request {}", header.xid, pending.xid);
            self.pending.push_front(pending);
            return Err(self.lost(&why));
        }
        if header.zxid.0 > 0 {
            self.driver.session.last_zxid = header.zxid.0;
        }
        self.carry_out(pending.effect, header.err);
        match pending.reply {
            Some(reply) => drop(reply.send(Ok(Reply { header, body }))),
            None => return Err(End::Final(SessionState::Closed)),
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect, code: i32) {
        match effect {
            Effect::None => {}
            Effect::Register(registration) => self.driver.watches.answered(registration, code),
            Effect::Remove { path, which, .. } if code == 0 => {
                let gone = self.driver.watches.remove(&path, which);
                self.driver.tell_removed(&path, gone, SessionState::SyncConnected);
            }
            Effect::Remove { .. } => {}
        }
    }
}
