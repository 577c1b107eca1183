//! Who changes the membership: servers are installed, join, change and leave, until none of the first is left, or at random.
//!
//! * A change that names a server to join says which membership it is made of: one whose outcome is not known is void, or part of
//!   every later membership.
//! * Only the machine of a server that is no member, and cannot become one by a change under way, is emptied.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ensemble::{LearnerType, Member, ServerId, Verifier};
use jute::{ErrorCode, Record, proto};
use pipeline::request::Request;

use crate::agenda::Happening;
use crate::check::CONFIG;
use crate::clock::{MS, Micros, SECOND};
use crate::operator::Operation;
use crate::plan::{Plan, line};
use crate::random::Random;
use crate::universe::Universe;

#[derive(Debug)]
pub(super) struct Administrator {
    /// The newest membership that was heard of.
    known: Option<Arc<Verifier>>,
    /// An answer is missing: what is in force must be asked for.
    doubts: bool,
    joining: Option<Joining>,
    /// Machines that may yet join by a change of this membership.
    open: BTreeMap<usize, i64>,
    replaces_all: bool,
    moves: u16,
    ready_at: Micros,
    has_synced: bool,
    /// The next change does not wait for the answer to this one.
    hurries: bool,
}

/// A server that was installed and is to join.
#[derive(Debug, Clone)]
struct Joining {
    host: usize,
    role: &'static str,
    instead_of: Option<ServerId>,
    tries: u32,
}

/// How often a server that does not come up in time is asked for.
const TRIES_MAX: u32 = 6;
/// No change begins so long behind the last fault.
const ENDS_BEFORE: Micros = 4 * SECOND;
/// An ensemble that can lose one server.
const VOTERS_WANTED: usize = 3;

impl Administrator {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            known: None,
            doubts: true,
            joining: None,
            open: BTreeMap::new(),
            replaces_all: random.chance(400),
            moves: 0,
            ready_at: 3 * SECOND,
            has_synced: false,
            hurries: false,
        }
    }

    /// Whether it asks again before it was answered: changes do not overlap.
    pub(super) fn hurries(&self) -> bool {
        self.hurries
    }

    /// The next operation, if it is time for one.
    pub(super) fn next(&mut self, u: &mut Universe, random: &mut Random) -> Option<Request> {
        if u.now < self.ready_at {
            return None;
        }
        self.ready_at = u.now + random.between(100 * MS, 1200 * MS);
        if std::mem::take(&mut self.hurries) {
            return Some(change(None, Some(&random.between(1, 7).to_string()), -1));
        }
        let is_over = u.now + 2 * SECOND > u.plan.faulty + ENDS_BEFORE;
        let known = self.known.clone().filter(|_| !self.doubts && !is_over);
        let Some(known) = known else { return Some(self.look(random)) };
        let next = match self.joining.take() {
            Some(joining) => self.join(&known, joining),
            None if self.replaces_all => self.replace(u, random, &known),
            None => self.change(u, random, &known),
        };
        self.hurries = next.is_some() && known.voters().count() > VOTERS_WANTED && random.chance(250);
        if self.hurries {
            self.ready_at = u.now;
        }
        next
    }

    /// Learns from an answer.
    pub(super) fn replied(&mut self, request: &Request, err: i32, body: &Bytes) {
        const OK: i32 = ErrorCode::Ok.code();
        const BAD_VERSION: i32 = ErrorCode::BadVersion.code();
        match (request, err) {
            (Request::Reconfig(_), BAD_VERSION) => self.doubts = true,
            (Request::Reconfig(_), OK) => {
                self.learn(body);
                self.joining = None;
            }
            (Request::Reconfig(_), _) => {}
            (Request::GetData(_), OK) => {
                self.learn(body);
                self.doubts = !std::mem::take(&mut self.has_synced);
            }
            (Request::Sync(_), OK) => self.has_synced = true,
            _ => {}
        }
    }

    /// The connection is gone: what was under way may have come about.
    pub(super) fn lost(&mut self) {
        self.doubts = true;
        self.has_synced = false;
    }

    fn learn(&mut self, body: &Bytes) {
        let Ok(response) = proto::GetDataResponse::from_slice(body) else { return };
        let text = String::from_utf8_lossy(response.data.as_deref().unwrap_or_default()).into_owned();
        let Ok(verifier) = Verifier::from_text(&text, false) else { return };
        if self.known.as_ref().is_none_or(|known| known.version < verifier.version) {
            self.open.retain(|_, of| *of >= verifier.version);
            self.known = Some(Arc::new(verifier));
        }
    }

    fn look(&self, random: &mut Random) -> Request {
        match self.has_synced || random.chance(300) {
            true => Request::GetData(proto::GetDataRequest { path: CONFIG.to_owned(), watch: false }),
            false => Request::Sync(proto::SyncRequest { path: "/".to_owned() }),
        }
    }

    /// One of the first members makes way for a machine that is none; when all have, the rest is chance.
    fn replace(&mut self, u: &mut Universe, random: &mut Random, known: &Verifier) -> Option<Request> {
        let is_first =
            |member: &&Member| u.plan.host_of(member.id).is_some_and(|host| host < u.plan.members());
        let Some(old) = known.members().iter().find(is_first).map(|member| member.id) else {
            self.replaces_all = false;
            return None;
        };
        let Some(host) = (u.plan.members()..u.plan.servers()).find(|host| is_free(known, *host)) else {
            // All others are in: the first ones just leave.
            return Some(change(None, Some(&old.to_string()), known.version));
        };
        let instead_of = random.chance(700).then_some(old);
        self.install(u, random, known, Joining { host, role: "participant", instead_of, tries: 0 });
        None
    }

    fn change(&mut self, u: &mut Universe, random: &mut Random, known: &Verifier) -> Option<Request> {
        let members = known.members();
        let voters = known.voters().count();
        let some = members.get(random.index(members.len()))?;
        let id = some.id.to_string();
        let free: Vec<usize> = (0..u.plan.servers()).filter(|host| is_free(known, *host)).collect();
        let spare = free.get(random.index(free.len())).copied();
        let version = known.version;
        match (random.below(100), spare) {
            (0..30, Some(host)) => {
                let role = if random.chance(650) { "participant" } else { "observer" };
                let instead_of = random.chance(350).then_some(some.id);
                self.install(u, random, known, Joining { host, role, instead_of, tries: 0 });
                None
            }
            (0..55, _) if voters > VOTERS_WANTED || random.chance(150) => {
                let of = if random.chance(300) { -1 } else { version };
                Some(change(None, Some(&id), of))
            }
            (0..75, _) => {
                let role = match some.learner_type {
                    LearnerType::Participant if voters > VOTERS_WANTED => "observer",
                    LearnerType::Participant | LearnerType::Observer => "participant",
                };
                Some(change(Some(&self.moved(some.id, role, random.chance(250))), None, version))
            }
            (75..83, _) => {
                Some(change(Some(&self.moved(some.id, some.learner_type.as_str(), true)), None, version))
            }
            (83..89, _) => Some(bulk(known, some.id, voters > VOTERS_WANTED, version)),
            (89..92, _) => Some(change(None, Some(&id), version - 1)),
            (92..95, _) => {
                // Nearly all leave: that is no ensemble.
                let ids: Vec<String> = members.iter().skip(1).map(|member| member.id.to_string()).collect();
                Some(change(None, Some(&ids.join(",")), -1))
            }
            (95..98, _) => {
                let taken = line(some.id, "participant", 0);
                Some(change(Some(&format!("server.99={taken}")), None, version))
            }
            _ => Some(change(Some("server.1=nowhere"), None, version)),
        }
    }

    /// The line of a member in another role, and perhaps at other ports.
    fn moved(&mut self, id: ServerId, role: &str, moves: bool) -> String {
        self.moves += u16::from(moves);
        format!("server.{id}={}", line(id, role, if moves { self.moves } else { 0 }))
    }

    /// A machine is made ready for a server that is to join: empty, with the lines of all members and its own.
    // zk: the administrator's guide on dynamic reconfiguration: those who join know the ensemble and themselves
    fn install(&mut self, u: &mut Universe, random: &mut Random, known: &Verifier, joining: Joining) {
        let id = Plan::server_id(joining.host);
        let lines: Vec<(String, String)> = known
            .members()
            .iter()
            .map(|member| (format!("server.{}", member.id), member.to_string()))
            .chain([(
                format!("server.{id}"),
                line(id, if random.chance(500) { "observer" } else { joining.role }, 0),
            )])
            .collect();
        let lines =
            Verifier::from_pairs(lines.iter().map(|(key, value)| (key.as_str(), value.as_str())), false);
        if let Ok(lines) = lines
            && !self.open.contains_key(&joining.host)
        {
            // Whoever was removed goes on for a while.
            let after = random.between(1500 * MS, 3 * SECOND);
            u.agenda
                .plan(u.now + after, Happening::Operate(Operation::Install(joining.host, Arc::new(lines))));
            self.ready_at = u.now + after + random.between(100 * MS, 2 * SECOND);
        }
        self.joining = Some(joining);
    }

    fn join(&mut self, known: &Verifier, joining: Joining) -> Option<Request> {
        let Joining { host, role, instead_of, tries } = joining.clone();
        if tries >= TRIES_MAX || !is_free(known, host) {
            return None;
        }
        let id = Plan::server_id(host);
        self.joining = Some(Joining { tries: tries + 1, ..joining });
        self.open.insert(host, known.version);
        let leaving = instead_of.filter(|old| known.member(*old).is_some()).map(|old| old.to_string());
        let joining = format!("server.{id}={}", line(id, role, 0));
        Some(change(Some(&joining), leaving.as_deref(), known.version))
    }
}

fn is_free(known: &Verifier, host: usize) -> bool {
    known.member(Plan::server_id(host)).is_none()
}

fn change(joining: Option<&str>, leaving: Option<&str>, of: i64) -> Request {
    Request::Reconfig(proto::ReconfigRequest {
        joining_servers: joining.map(ToOwned::to_owned),
        leaving_servers: leaving.map(ToOwned::to_owned),
        new_members: None,
        cur_config_id: of,
    })
}

/// All lines anew; one of them leaves or changes its role.
fn bulk(known: &Verifier, id: ServerId, leaves: bool, of: i64) -> Request {
    let lines = known.members().iter().filter(|member| !leaves || member.id != id);
    let lines: Vec<String> = lines.map(|member| format!("server.{}={member}", member.id)).collect();
    Request::Reconfig(proto::ReconfigRequest {
        joining_servers: None,
        leaving_servers: None,
        new_members: Some(lines.join(",")),
        cur_config_id: of,
    })
}

/// What others want of the membership: they may look at it, and not change it.
pub(super) fn outsider(random: &mut Random) -> Request {
    match random.chance(150) {
        true => change(None, Some(&random.between(1, 7).to_string()), -1),
        false => Request::GetData(proto::GetDataRequest { path: CONFIG.to_owned(), watch: false }),
    }
}
