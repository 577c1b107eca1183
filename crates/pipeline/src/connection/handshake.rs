use jute::{Reader, Record, SessionId, proto::ConnectRequest};

use super::{
    Connection, ConnectionAction, Phase, Progress, Turn,
    words::{MASK_LEN, SET_TRACE_MASK, is_word},
};
use crate::{event::Event, outbox::CloseReason};

impl Connection {
    /// A connection begins with a four-letter word or with the length of a ConnectRequest.
    // zk: NIOServerCnxn.checkFourLetterWord
    pub(super) fn first_bytes(&mut self, turn: &mut Turn<'_>) -> Result<Progress, CloseReason> {
        let Some(word) = self.input.peek_prefix() else { return Ok(false) };
        if !is_word(word) {
            self.phase = Phase::Connect;
            return Ok(true);
        }
        let rest = if word == SET_TRACE_MASK && self.settings.trace_mask_allowed {
            // diverges(trace-mask-waits): the reference closes when the mask is not in the same packet
            let Some(mask) = self.input.behind_prefix().get(..MASK_LEN) else { return Ok(false) };
            mask.to_vec()
        } else {
            alloc::vec::Vec::new()
        };
        turn.outbox.note_received(word.len());
        turn.out.push(ConnectionAction::FourLetterWord { word, rest });
        self.finish();
        Ok(false)
    }

    /// The first frame is a ConnectRequest.
    // zk: NIOServerCnxn.readConnectRequest, ZooKeeperServer.processConnectRequest
    pub(super) fn connect(&mut self, turn: &mut Turn<'_>) -> Result<Progress, CloseReason> {
        let Some(frame) = self.next_frame(turn)? else { return Ok(false) };
        let request =
            ConnectRequest::decode(&mut Reader::new(&frame).with_limit(self.settings.field_bytes_max()))
                .map_err(|_| CloseReason::MalformedFrame { what: "ConnectRequest" })?;
        let last = turn.view.state.last_processed_zxid();
        if turn.view.read_only && !request.read_only.unwrap_or(false) {
            return Err(CloseReason::NotReadOnlyClient);
        }
        if request.last_zxid_seen > last {
            return Err(CloseReason::ZxidAhead { seen: request.last_zxid_seen, last });
        }
        turn.outbox.set_handshake_layout(request.read_only.map(|_| turn.view.read_only));
        let event = self.open_event(&request, turn.wall_ms);
        turn.out.push(ConnectionAction::Forward(event));
        self.phase = Phase::Connecting;
        Ok(true)
    }

    fn open_event(&self, request: &ConnectRequest, wall_ms: i64) -> Event {
        let timeout_ms = self.settings.negotiate_timeout(request.time_out);
        if request.session_id == SessionId::NONE {
            return Event::NewSession { connection: self.id, timeout_ms, wall_ms };
        }
        Event::ReopenSession {
            connection: self.id,
            session: request.session_id,
            password: request.passwd.as_deref().unwrap_or_default().to_vec(),
            timeout_ms,
            wall_ms,
        }
    }
}
