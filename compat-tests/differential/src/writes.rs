//! Requests that change something.

use crate::acls;
use crate::generate::Generator;
use crate::op;
use crate::paths::{Paths, QUOTAS};
use crate::request::{Change, Effect, Request, shown};
use crate::wire::Writer;

const CONTAINER_OWNER: i64 = i64::MIN;
const TTL_OWNER: i64 = 0xFF << 56;
const TTL_MAX: i64 = 0xFF_FFFF_FFFF;

/// One operation of a multi, or the whole of a request.
pub(crate) struct Part {
    pub(crate) op: i32,
    pub(crate) body: Writer,
    pub(crate) text: String,
    pub(crate) change: Change,
}

impl Part {
    pub(crate) fn request(self) -> Request {
        Request::new(self.op, self.body, self.text).changing(self.change)
    }
}

impl Generator<'_> {
    pub(crate) fn create(&mut self, path: Option<Vec<u8>>) -> Part {
        let op = match self.random.below(100) {
            0..45 => op::CREATE,
            45..75 => op::CREATE2,
            75..88 => op::CREATE_TTL,
            _ => op::CREATE_CONTAINER,
        };
        let path = path.or_else(|| self.create_path());
        let (flags, ttl) = self.create_mode(op);
        let body = Writer::default().buffer(path.as_deref()).buffer(self.data().as_deref());
        let may_auth = self.slot.users <= 1;
        let (body, acl) = acls::random(body, self.random, may_auth);
        let mut body = body.int(flags);
        if op == op::CREATE_TTL {
            body = body.long(ttl);
        }
        let stored_owner = match flags {
            4 => CONTAINER_OWNER,
            5 | 6 => TTL_OWNER | ttl,
            _ => 0,
        };
        let text = format!("{} flags {flags} ttl {ttl} acl {acl}", shown(path.as_deref()));
        Part { op, body, text, change: Change::Create { ephemeral: flags == 1 || flags == 3, stored_owner } }
    }

    /// Left out, because the reference does something else than it writes down there: flag 4 with the plain
    /// operations, another flag with createContainer, a negative ttl with a plain flag.
    fn create_mode(&mut self, op: i32) -> (i32, i64) {
        let random = &mut *self.random;
        match op {
            op::CREATE_TTL => match random.below(100) {
                0..60 => (5, 1 + random.below(1 << 30) as i64),
                60..85 => (6, 1 + random.below(1 << 30) as i64),
                85..88 => (5, TTL_MAX),
                88..94 => (*random.pick(&[5, 6]), *random.pick(&[0, -1, -5, TTL_MAX + 1, i64::MAX])),
                94..97 => (random.below(4) as i32, random.below(3) as i64),
                _ => (*random.pick(&[7, -1, 1000]), 10),
            },
            op::CREATE_CONTAINER => (if random.chance(96) { 4 } else { *random.pick(&[9, -4, 5]) }, -1),
            _ => match random.below(100) {
                0..55 => (0, -1),
                55..75 => (1, -1),
                75..86 => (2, -1),
                86..96 => (3, -1),
                96..98 => (*random.pick(&[5, 6]), -1),
                _ => (*random.pick(&[7, -1, 0x7fff_ffff]), -1),
            },
        }
    }

    fn create_path(&mut self) -> Option<Vec<u8>> {
        let (random, model, paths) = (&mut *self.random, self.model, self.paths);
        Some(match random.below(100) {
            0..2 => return None,
            2..5 => Paths::bad(random),
            5..11 => paths.existing(random, model),
            11..15 => {
                let parent = paths.missing(random);
                Paths::child(random, &parent)
            }
            15..19 => {
                let parent = model.ephemeral(random).unwrap_or(&paths.base).to_vec();
                Paths::child(random, &parent)
            }
            19..29 => {
                let parent = paths.quota_root(random);
                Paths::child(random, &parent)
            }
            29..33 => paths.quota_root(random),
            _ => {
                let parent = paths.parent(random, model);
                Paths::child(random, &parent)
            }
        })
    }

    pub(crate) fn delete(&mut self, path: Option<Vec<u8>>) -> Part {
        let (random, model, paths) = (&mut *self.random, self.model, self.paths);
        let path = path.or_else(|| {
            Some(match random.below(100) {
                0..2 => return None,
                2..4 => Paths::bad(random),
                4..6 => paths.special(random),
                6..10 => paths.missing(random),
                10..16 => model.with_children(random).unwrap_or(&paths.base).to_vec(),
                _ => model.leaf(random).unwrap_or(&paths.base).to_vec(),
            })
        });
        let version = self.version();
        let body = Writer::default().buffer(path.as_deref()).int(version);
        let text = format!("{} version {version}", shown(path.as_deref()));
        Part { op: op::DELETE, body, text, change: Change::Delete(path.unwrap_or_default()) }
    }

    pub(crate) fn set_data(&mut self, path: Option<Vec<u8>>) -> Part {
        let (random, model, paths) = (&mut *self.random, self.model, self.paths);
        if path.is_none() && random.chance(8) {
            return self.set_quota();
        }
        let path = path.or_else(|| {
            Some(match random.below(100) {
                0..2 => return None,
                2..5 => Paths::bad(random),
                5..11 => paths.missing(random),
                11 if !paths.private => b"/".to_vec(),
                12 => b"/zookeeper/config".to_vec(),
                13..25 => paths.quota_root(random),
                _ => paths.existing(random, model),
            })
        });
        // Only the run's own texts go below /zookeeper: the reference ends on quotas that it cannot read.
        let reserved = path.as_deref().is_some_and(|path| path.starts_with(b"/zookeeper"));
        let data = if reserved { Some(Vec::new()) } else { self.data() };
        let version = self.version();
        let body = Writer::default().buffer(path.as_deref()).buffer(data.as_deref()).int(version);
        let text =
            format!("{} version {version} length {:?}", shown(path.as_deref()), data.map(|data| data.len()));
        Part { op: op::SET_DATA, body, text, change: Change::Nothing }
    }

    fn set_quota(&mut self) -> Part {
        let index = self.random.below(QUOTAS);
        let path =
            [b"/zookeeper/quota", &self.paths.base[..], format!("/q{index}/zookeeper_limits").as_bytes()]
                .concat();
        let limits = quota_text(index, self.random.below(2));
        let body = Writer::default().buffer(Some(&path)).string(&limits).int(-1);
        Part {
            op: op::SET_DATA,
            body,
            text: format!("{} {limits}", shown(Some(&path))),
            change: Change::Nothing,
        }
    }

    pub(crate) fn set_acl(&mut self) -> Request {
        let (random, model, paths) = (&mut *self.random, self.model, self.paths);
        let path = match random.below(100) {
            0..2 => None,
            2..5 => Some(Paths::bad(random)),
            5..10 => Some(paths.missing(random)),
            _ => Some(paths.existing(random, model)),
        };
        let body = Writer::default().buffer(path.as_deref());
        let may_auth = self.slot.users <= 1;
        let (body, acl) = acls::random(body, random, may_auth);
        let version = self.version();
        let text = format!("{} acl {acl} version {version}", shown(path.as_deref()));
        Request::new(op::SET_ACL, body.int(version), text)
    }

    pub(crate) fn check(&mut self, path: Option<Vec<u8>>) -> Part {
        let (random, model, paths) = (&mut *self.random, self.model, self.paths);
        let path = path.unwrap_or_else(|| match random.below(100) {
            0..3 => Paths::bad(random),
            3..8 => paths.missing(random),
            _ => paths.existing(random, model),
        });
        let version = self.version();
        let body = Writer::default().buffer(Some(&path)).int(version);
        Part {
            op: op::CHECK,
            body,
            text: format!("{} version {version}", shown(Some(&path))),
            change: Change::Nothing,
        }
    }

    /// A transaction; later parts sometimes name what earlier ones create.
    pub(crate) fn multi(&mut self) -> Request {
        if self.random.chance(4) {
            return self.malformed_multi();
        }
        let count = if self.random.chance(2) { 0 } else { 1 + self.random.below(5) };
        let mut fresh: Vec<Vec<u8>> = Vec::new();
        let parts: Vec<Part> = (0..count).map(|_| self.part(&mut fresh)).collect();
        let body = parts.iter().fold(Writer::default(), |body, part| header(body, part.op).raw(&part.body.0));
        let body = body.int(-1).boolean(true).int(-1);
        let shown: Vec<String> =
            parts.iter().map(|part| format!("{} {}", op::name(part.op), part.text)).collect();
        let mut request = Request::new(op::MULTI, body, shown.join("; "));
        request.effects = parts.into_iter().map(|part| Effect { op: part.op, change: part.change }).collect();
        request
    }

    fn part(&mut self, fresh: &mut Vec<Vec<u8>>) -> Part {
        let earlier = if self.random.chance(40) { fresh.last().cloned() } else { None };
        match self.random.below(100) {
            0..45 => {
                let parent = earlier.unwrap_or_else(|| self.paths.parent(self.random, self.model));
                let path = match self.random.below(100) {
                    0..2 => Some(Paths::bad(self.random)),
                    2..20 => self.create_path(),
                    _ => None,
                };
                let path = path.filter(|path| !path.is_empty());
                let path = path.unwrap_or_else(|| Paths::child(self.random, &parent));
                fresh.push(path.clone());
                loop {
                    // A flag that is unknown makes the whole multi undecodable, which is a case of its own; and what a
                    // multi makes of createTTL with a plain flag is not written down.
                    let part = self.create(Some(path.clone()));
                    let plain = matches!(part.change, Change::Create { stored_owner: 0, .. });
                    let too_new = self.paths.old_replay && part.op == op::CREATE2;
                    if known_flags(&part) && !(part.op == op::CREATE_TTL && plain) && !too_new {
                        return part;
                    }
                }
            }
            45..60 => {
                let path = earlier.unwrap_or_else(|| self.multi_path(true));
                self.delete(Some(path))
            }
            60..85 => {
                let path = earlier.unwrap_or_else(|| self.multi_path(false));
                self.set_data(Some(path))
            }
            _ => self.check(earlier),
        }
    }

    /// A path that is not null, as the parts of a multi have it.
    fn multi_path(&mut self, leaf: bool) -> Vec<u8> {
        let (random, model, paths) = (&mut *self.random, self.model, self.paths);
        match random.below(100) {
            0..6 => Paths::bad(random),
            6..9 => paths.missing(random),
            9..12 => paths.quota_root(random),
            12..14 => model.with_children(random).unwrap_or(&paths.base).to_vec(),
            14..22 if !leaf => paths.quota_root(random),
            _ if leaf => model.leaf(random).unwrap_or(&paths.base).to_vec(),
            _ => paths.existing(random, model),
        }
    }

    fn malformed_multi(&mut self) -> Request {
        let path = self.paths.existing(self.random, self.model);
        let set = Writer::default().buffer(Some(&path)).buffer(None).int(-1);
        let get = Writer::default().buffer(Some(&path)).boolean(false);
        let (body, text) = match self.random.below(3) {
            0 => (
                header(header(Writer::default(), op::SET_DATA).raw(&set.0), op::GET_DATA).raw(&get.0),
                "write and read mixed",
            ),
            1 => (header(Writer::default(), op::SET_ACL), "an operation that a multi does not know"),
            _ => {
                let create = Writer::default().buffer(Some(&path)).buffer(None);
                let create = acls::write(create, acls::OPEN).int(77);
                (header(Writer::default(), op::CREATE).raw(&create.0), "unknown flag")
            }
        };
        let mut request = Request::new(op::MULTI, body.int(-1).boolean(true).int(-1), text.to_owned());
        request.effects.clear();
        request
    }
}

fn known_flags(part: &Part) -> bool {
    let flags = match part.op {
        op::CREATE_TTL => part.body.0.len().checked_sub(12),
        _ => part.body.0.len().checked_sub(4),
    };
    let bytes = flags.and_then(|at| part.body.0.get(at..at + 4)).and_then(|bytes| bytes.try_into().ok());
    bytes.map(i32::from_be_bytes).is_some_and(|flags| (0..=6).contains(&flags))
}

pub(crate) fn header(body: Writer, op: i32) -> Writer {
    body.int(op).boolean(false).int(-1)
}

/// Limits of the quota node of this number; `variant` 0 is the tight one.
pub(crate) fn quota_text(index: usize, variant: usize) -> String {
    let wide = variant * 4;
    match index {
        0 => format!("count=-1,bytes=-1,byteHardLimit=-1,countHardLimit={}", 6 + wide),
        1 => format!("count=-1,bytes=-1,byteHardLimit={},countHardLimit=-1", 300 + 100 * wide),
        2 => format!("count={},bytes={},byteHardLimit=-1,countHardLimit=-1", 3 + wide, 50 + wide),
        _ => format!("count=5,bytes=100,byteHardLimit={};countHardLimit={}", 500 + wide, 12 + wide),
    }
}
