//! The next request of a session, from the seed.

use crate::acls::{self, USERS};
use crate::model::Model;
use crate::op;
use crate::paths::Paths;
use crate::request::{Change, Request, of_path, shown};
use crate::wire::{Random, Writer};
use crate::writes::header;

/// What the generator knows of the session that asks.
#[derive(Clone, Copy, Default)]
pub(crate) struct SlotView {
    /// How many digest ids the connection has.
    pub(crate) users: usize,
    pub(crate) is_super: bool,
    /// This slot authenticates as super when it can.
    pub(crate) wants_super: bool,
    pub(crate) last_zxid: i64,
}

pub(crate) struct Generator<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) model: &'a Model,
    pub(crate) paths: &'a Paths,
    pub(crate) slot: SlotView,
}

/// Above this many nodes deletes outweigh creates.
const NODES_MAX: usize = 500;

impl Generator<'_> {
    /// Any request; `alone`: also those that must not be pipelined.
    pub(crate) fn next(&mut self, alone: bool) -> Request {
        if alone && let Some(request) = self.rare() {
            return request;
        }
        if self.model.len() > NODES_MAX && self.random.chance(25) {
            return self.delete(None).request();
        }
        match self.random.below(1000) {
            0..170 => self.create(None).request(),
            170..230 => self.delete(None).request(),
            230..320 => self.set_data(None).request(),
            320..370 => self.set_acl(),
            370..480 => self.multi(),
            480..530 => self.multi_read(),
            530..600 => self.read(op::GET_DATA),
            600..660 => self.read(op::EXISTS),
            660..710 => self.read(op::GET_CHILDREN),
            710..760 => self.read(op::GET_CHILDREN2),
            760..800 => of_path(op::GET_ACL, self.paths.read(self.random, self.model).as_deref()),
            800..830 => {
                of_path(op::GET_ALL_CHILDREN_NUMBER, self.paths.read(self.random, self.model).as_deref())
            }
            830..845 => self.ephemerals(),
            845..860 => of_path(op::SYNC, self.paths.read(self.random, self.model).as_deref()),
            860..875 => Request::new(op::PING, Writer::default(), String::new()),
            875..885 => Request::new(op::WHO_AM_I, Writer::default(), String::new()),
            885..910 => self.watch_request(op::ADD_WATCH, &[0, 0, 1], &[-1, 2, 99]),
            910..935 => self.watch_request(op::CHECK_WATCHES, &[1, 2, 3, 4, 5], &[0, 6, -1]),
            935..965 => self.watch_request(op::REMOVE_WATCHES, &[1, 2, 3, 4, 5], &[0, 6, -1]),
            965..980 => self.set_watches(op::SET_WATCHES),
            980..995 => self.set_watches(op::SET_WATCHES2),
            _ => self.reconfig(),
        }
    }

    /// Requests that are answered out of order or cost the connection.
    fn rare(&mut self) -> Option<Request> {
        if self.slot.wants_super && !self.slot.is_super {
            return Some(auth("digest", acls::SUPER));
        }
        match self.random.below(1000) {
            0..3 => {
                const UNKNOWN: &[i32] = &[0, 10, 13, 23, 99, 108, -2, -1, 1000, i32::MIN];
                let mut request = Request::new(*self.random.pick(UNKNOWN), Writer::default(), String::new());
                request.fatal_error = true;
                Some(request)
            }
            3..9 if self.slot.users < 2 && !self.slot.is_super => {
                Some(auth("digest", USERS[self.random.below(USERS.len())].0))
            }
            9..12 => {
                const SCHEMES: &[&str] = &["nosuch", "world", "sasl2", ""];
                let scheme: &'static str = SCHEMES[self.random.below(SCHEMES.len())];
                Some(auth(scheme, "x"))
            }
            12..14 => Some(auth("ip", "")),
            14..17 => {
                let token = self.data().unwrap_or_default();
                Some(Request::new(
                    op::SASL,
                    Writer::default().buffer(Some(&token)),
                    format!("{} bytes", token.len()),
                ))
            }
            17..20 => {
                let close = Request::new(op::CLOSE_SESSION, Writer::default(), String::new());
                Some(close.changing(Change::SessionClosed))
            }
            _ => None,
        }
    }

    fn read(&mut self, op: i32) -> Request {
        let nul = op == op::EXISTS && self.random.chance(2);
        let path = if nul { Some(b"/nul\0".to_vec()) } else { self.paths.read(self.random, self.model) };
        let watch = self.random.chance(30);
        let body = Writer::default().buffer(path.as_deref()).boolean(watch);
        Request::new(op, body, format!("{} watch {watch}", shown(path.as_deref())))
    }

    fn multi_read(&mut self) -> Request {
        let mut request = Request::new(op::MULTI_READ, Writer::default(), String::new());
        request.effects.clear();
        let mut body = Writer::default();
        for _ in 0..self.random.below(5) {
            let op = *self.random.pick(&[op::GET_DATA, op::GET_CHILDREN]);
            let read = self.read(op);
            if read.text.starts_with("<null>") {
                continue;
            }
            body = header(body, op).raw(&read.body);
            request.text += &format!("{} {}; ", op::name(op), read.text);
            request.effects.extend(read.effects);
        }
        if self.random.chance(5) {
            body = header(body, op::CHECK).raw(&self.check(None).body.0);
            request.text += "and a check";
            request.effects.clear();
        }
        request.body = body.int(-1).boolean(true).int(-1).0;
        request
    }

    fn ephemerals(&mut self) -> Request {
        let base = self.paths.base.clone();
        let prefix = match self.random.below(6) {
            0 => None,
            1 => Some(Vec::new()),
            2 => Some(b" ".to_vec()),
            3 => Some(b"/".to_vec()),
            4 => Some([&base[..], b"/n1"].concat()),
            _ => Some(base),
        };
        of_path(op::GET_EPHEMERALS, prefix.as_deref())
    }

    fn watch_request(&mut self, op: i32, good: &[i32], bad: &[i32]) -> Request {
        let path = self.paths.read(self.random, self.model).unwrap_or_default();
        let kind = if self.random.chance(95) { *self.random.pick(good) } else { *self.random.pick(bad) };
        Request::new(
            op,
            Writer::default().buffer(Some(&path)).int(kind),
            format!("{} kind {kind}", shown(Some(&path))),
        )
    }

    pub(crate) fn set_watches(&mut self, op: i32) -> Request {
        let since = match self.random.below(4) {
            choice if self.paths.private => [0, i64::MAX][choice % 2],
            0 => 0,
            1 => self.slot.last_zxid,
            _ => self.slot.last_zxid - self.random.below(2000) as i64,
        };
        let lists = if op == op::SET_WATCHES { 3 } else { 5 };
        let body = (0..lists).fold(Writer::default().long(since), |body, _| {
            let count = self.random.below(5);
            let paths: Vec<Vec<u8>> =
                (0..count).filter_map(|_| self.paths.read(self.random, self.model)).collect();
            body.strings(&paths)
        });
        let text = format!("since {since:#x}: {}", crate::wire::escaped(&body.0));
        Request::new(op, body, text)
    }

    fn reconfig(&mut self) -> Request {
        let member: Option<&[u8]> =
            if self.random.chance(50) { Some(b"server.1=127.0.0.1:1:2;3") } else { None };
        let body = Writer::default().buffer(member).buffer(None).buffer(member).long(-1);
        Request::new(op::RECONFIG, body, String::new())
    }

    pub(crate) fn version(&mut self) -> i32 {
        match self.random.below(100) {
            0..75 => -1,
            75..98 => self.random.below(4) as i32,
            _ => *self.random.pick(&[i32::MAX, i32::MIN, -2]),
        }
    }

    pub(crate) fn data(&mut self) -> Option<Vec<u8>> {
        let length = match self.random.below(100) {
            0..8 => return None,
            8..15 => 0,
            15..90 => self.random.below(64),
            _ => self.random.below(2000),
        };
        Some((0..length).map(|_| self.random.next() as u8).collect())
    }
}

pub(crate) fn auth(scheme: &'static str, credentials: &'static str) -> Request {
    let body = Writer::default().int(0).string(scheme).string(credentials);
    let known = matches!(scheme, "digest" | "ip");
    let mut request = Request::new(op::AUTH, body, format!("{scheme} {credentials}"));
    request.fatal_error = !known;
    if scheme == "digest" { request.changing(Change::Authenticated(credentials)) } else { request }
}
