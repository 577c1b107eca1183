//! Scripts: what clients and logs see of an ensemble, one file per behaviour.
//!
//! The form is that of `scripts.rs`. Lines of servers begin with their id. Everything that a command brings about is
//! delivered and written before the next one, unless a disk is held or a network is cut.

mod ensemble;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jute::data::Id;
use jute::txn::{CreateTxn, TxnHeader};
use jute::{OpCode, SessionId, Txn, TxnRecord, Zxid};
use pipeline::event::{ClientRequest, Event};
use pipeline::request::{Identities, Request};
use pipeline::settings::PipelineSettings;
use rookeeper_replica::{ConnectionId, ObserverSettings, SessionModes};
use tree::watches::WatchKind;
use world::client::{Client, frames};
use world::language::{body, number, request, unreadable};
use world::show;

use crate::ensemble::Ensemble;

#[test]
fn peers() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/peers");
    world::golden::check_all(&folder, |commands: &str, script: &mut Script| script.run(commands));
}

#[derive(Default)]
struct Script {
    settings: PipelineSettings,
    modes: SessionModes,
    observers: ObserverSettings,
    ensemble: Option<Ensemble>,
    /// Clients and where they are connected.
    clients: BTreeMap<String, (i64, Client)>,
}

impl Script {
    fn run(&mut self, commands: &str) -> String {
        let mut lines = Vec::new();
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.shows_packets = false;
        }
        for command in commands.lines().filter(|line| !line.starts_with('#')) {
            self.command(command, &mut lines);
            lines.extend(self.carry_out());
        }
        merged(lines).join("\n")
    }

    fn ensemble(&mut self) -> &mut Ensemble {
        self.ensemble.as_mut().expect("`cluster` comes first")
    }

    fn carry_out(&mut self) -> Vec<String> {
        let Some(ensemble) = &mut self.ensemble else { return Vec::new() };
        let mut lines = std::mem::take(&mut ensemble.trace);
        for (name, (server, client)) in &mut self.clients {
            let Some(outbox) = ensemble.host(*server).boxes.0.get_mut(&ConnectionId(client.id)) else {
                if !std::mem::replace(&mut client.is_closed, true) {
                    lines.push(format!("{name} lost its connection"));
                }
                continue;
            };
            lines.extend(frames(client, outbox).into_iter().map(|frame| format!("{name} <- {frame}")));
            if let Some(why) = outbox.closed()
                && !std::mem::replace(&mut client.is_closed, true)
            {
                lines.push(format!("{name} closed: {why}"));
                let id = ConnectionId(client.id);
                ensemble.host(*server).boxes.0.remove(&id);
                ensemble.step(*server, Event::ConnectionLost { connection: id });
            }
        }
        lines
    }

    fn command(&mut self, line: &str, lines: &mut Vec<String>) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        match word(0) {
            "set-up" => self.set_up(word(1), word(2)),
            "cluster" => {
                let observers = if word(2).is_empty() { 0 } else { number(word(2)) };
                self.ensemble = Some(self.servers(number(word(1)), observers));
            }
            "trace" => self.ensemble().shows_packets = true,
            // All that is told of an ensemble's beginning stands in one script.
            "up" => {
                let observers = if word(2).is_empty() { 0 } else { number(word(2)) };
                let voters: i64 = number(word(1));
                let mut ensemble = self.servers(voters, observers);
                (1..=voters + observers).for_each(|id| ensemble.start(id));
                self.ensemble = Some(ensemble);
                self.until_whole(lines);
                self.ensemble().trace.clear();
            }
            "start" => words.iter().skip(1).for_each(|id| self.ensemble().start(number(id))),
            "add" => {
                let teacher = if word(3).is_empty() { 1 } else { number(word(3)) };
                self.ensemble().add(number(word(1)), word(2), teacher);
            }
            // The file of a proposed membership, as an operator writes it: of such a version, with such servers more.
            "next" => {
                let joining = words.iter().skip(3).map(|id| number(id));
                self.ensemble().write_next(number(word(1)), word(2), joining);
            }
            "members" => self.members(lines),
            "kill" => self.ensemble().crash(number(word(1))),
            "stop" => {
                self.ensemble().step(number(word(1)), Event::Shutdown);
                self.ensemble().deliver();
            }
            "cut" => self.ensemble().cut(number(word(1)), number(word(2))),
            "heal" => self.ensemble().heal(),
            // A standalone server wrote the end of the history there.
            "alone" => self.ensemble().host(number(word(1))).disk.is_standalone = word(2) != "off",
            "hold-disk" => self.ensemble().host(number(word(1))).disk.is_held = true,
            "release-disk" => {
                self.ensemble().host(number(word(1))).disk.is_held = false;
                self.ensemble().deliver();
            }
            // Of what waits at a held disk the first is written.
            "write" => {
                let id = number(word(1));
                let host = self.ensemble().host(id);
                host.disk.is_held = false;
                let told = host.write().expect("something waits");
                host.disk.is_held = true;
                self.ensemble().step(id, told);
                self.ensemble().deliver();
            }
            // Everything that waits is written at once, and told once.
            "sync-disk" => {
                let id = number(word(1));
                let host = self.ensemble().host(id);
                host.disk.is_held = false;
                let told: Vec<_> = std::iter::from_fn(|| host.write()).collect();
                if let Some(last) = told.into_iter().last() {
                    self.ensemble().step(id, last);
                }
                self.ensemble().deliver();
            }
            // An ephemeral of a session that is not there, on all disks.
            "orphan" => self.orphan(word(1), word(2)),
            // A packet of a learner with a body of one byte.
            "hand-on" => {
                self.ensemble().hand_on(number(word(1)), number(word(2)));
                self.ensemble().deliver();
            }
            "containers" => {
                let wall_ms = self.ensemble().wall_ms();
                self.ensemble().step(number(word(1)), Event::ContainerCheck { wall_ms });
                self.ensemble().deliver();
            }
            "wipe" => {
                let ensemble = self.ensemble();
                let host = ensemble.host(number(word(1)));
                let (settings, peer) = (host.settings.clone(), host.peer.clone());
                *host = ensemble::host::Host::new(settings, peer);
                host.disk.has_history = word(2) != "lost";
            }
            "remember" => self.ensemble().host(number(word(1))).peer.commit_log_count = number(word(2)),
            // What it does from its next start on, whatever the others do.
            "modes" => {
                self.set_up("local-sessions", word(2));
                self.ensemble().host(number(word(1))).peer.modes = std::mem::take(&mut self.modes);
            }
            "wait" => self.ensemble().wait(number(word(1))),
            "until-whole" => self.until_whole(lines),
            "report" => self.report(lines),
            "mute" | "unmute" => {
                let id = self.connection(word(1)).1;
                let is_silent = word(0) == "mute";
                let silent = &mut self.ensemble().silent;
                let _ = if is_silent { silent.insert(id) } else { silent.remove(&id) };
            }
            "connect" => self.connect(word(1), number(word(2)), number(word(3))),
            "reopen" => self.reopen(word(1), word(2), number(word(3)), number(word(4)), word(5)),
            "lose" => {
                let (server, connection) = self.connection(word(1));
                self.ensemble().host(server).boxes.0.remove(&connection);
                self.ensemble().step(server, Event::ConnectionLost { connection });
            }
            "watch" => {
                let (server, connection) = self.connection(word(1));
                self.ensemble().host(server).watches.add(word(2), connection, WatchKind::Data);
            }
            name if word(1) == "sees" => {
                let server = self.connection(name).0;
                let state = &self.ensemble().host(server).state;
                let data = state.node(word(2)).map(|node| show::data(node.data()));
                lines.push(format!("{name} sees {}", data.unwrap_or_else(|| "no node".into())));
            }
            name => {
                let (name, rest) = (name.to_string(), line.split_once(' ').map_or("", |(_, rest)| rest));
                let late = rest.strip_prefix("late ");
                let request = request(late.unwrap_or(rest)).unwrap_or_else(|| unreadable(line));
                self.request(&name, request, late.is_some());
            }
        }
    }

    fn servers(&self, voters: i64, observers: i64) -> Ensemble {
        let mut ensemble = Ensemble::new(self.settings.clone(), self.modes, voters, observers);
        ensemble.hosts.values_mut().for_each(|host| host.peer.observers = self.observers);
        ensemble
    }

    fn set_up(&mut self, key: &str, value: &str) {
        match key {
            "reconfig" => {
                self.settings.reconfig_enabled = value != "off";
                self.settings.acl.skip_acl = true;
                self.settings.standalone_enabled = value != "alone";
            }
            "masters" => self.observers.uses_masters = value == "on",
            "observer-delay" => self.observers.election_delay_ms = number(value),
            "extended-types" => self.settings.extended_types = value == "on",
            "read-only" => self.modes.read_only = value == "on",
            "local-sessions" => {
                self.modes.local_sessions = value != "off";
                self.modes.upgrades_sessions = value == "upgrade";
            }
            _ => unreadable(key),
        }
    }

    fn orphan(&mut self, path: &str, session: &str) {
        let session = i64::from_str_radix(session.trim_start_matches("0x"), 16).expect("a session");
        let header = TxnHeader {
            client_id: SessionId(session),
            cxid: 1,
            zxid: Zxid(1),
            time: 0,
            op_code: OpCode::Create.code(),
        };
        let create = CreateTxn {
            path: path.into(),
            data: None,
            acl: Some(tree::acl::open()),
            ephemeral: true,
            parent_cversion: 1,
        };
        let record = Arc::new(TxnRecord { header, txn: Txn::Create(create), digest: None });
        for host in self.ensemble().hosts.values_mut() {
            host.disk.log.push(Arc::clone(&record));
        }
    }

    /// Waits until all that are up serve with equal trees, 30 seconds at most.
    fn until_whole(&mut self, lines: &mut Vec<String>) {
        for _ in 0..300 {
            if self.ensemble().is_whole() {
                return;
            }
            self.ensemble().wait(100);
        }
        lines.push("not whole after 30 seconds".into());
    }

    fn report(&mut self, lines: &mut Vec<String>) {
        for (id, host) in &self.ensemble().hosts {
            let Some(replica) = &host.replica else { continue };
            let report = replica.report().expect("a member");
            assert_eq!(replica.is_serving(), report.mode.is_some());
            lines.push(format!(
                "{id} {} leader={} epochs={}/{} logged={} tree={}",
                report.peer_state,
                report.leader.map_or("none".into(), |leader| leader.to_string()),
                host.disk.accepted_epoch,
                host.disk.current_epoch,
                host.disk.last(),
                host.state.last_processed_zxid()
            ));
        }
        let state = |host: &ensemble::host::Host| (host.state.last_processed_zxid(), host.state.digest());
        let up = self.ensemble().hosts.values().filter(|host| host.replica.is_some());
        let digests: BTreeMap<_, _> = up.clone().map(state).collect();
        for host in up {
            let (zxid, digest) = state(host);
            assert_eq!(digests.get(&zxid), Some(&digest), "equal trees at equal zxids");
        }
    }

    /// What each server that is up takes for the membership, and the node beside it when they differ.
    fn members(&mut self, lines: &mut Vec<String>) {
        let is_enabled = self.settings.reconfig_enabled;
        for (id, host) in &self.ensemble().hosts {
            if host.replica.is_none() {
                continue;
            }
            let members: Vec<String> = host.peer.verifier.members().iter().map(member).collect();
            let role = host.mode.map_or("serves nobody".into(), |mode| mode.to_string());
            lines.push(format!("{id}: {role}, {}@{}", members.join(" "), Zxid(host.peer.verifier.version)));
            let node = host.state.node("/zookeeper/config").and_then(|node| node.data().map(<[u8]>::to_vec));
            let text = host.peer.verifier.to_string().into_bytes();
            if is_enabled && node.as_ref() != Some(&text) {
                lines.push(format!("{id}: the node is another"));
            }
        }
    }

    fn connection(&self, name: &str) -> (i64, ConnectionId) {
        let (server, client) = self.clients.get(name).expect("a client");
        (*server, ConnectionId(client.id))
    }

    fn add(&mut self, name: &str, server: i64) -> ConnectionId {
        let id = u64::try_from(self.clients.len()).expect("few") + 1;
        let client = Client { id, awaits_handshake: true, ..Client::default() };
        self.clients.insert(name.into(), (server, client));
        self.ensemble().open(server, ConnectionId(id));
        ConnectionId(id)
    }

    fn connect(&mut self, name: &str, server: i64, timeout_ms: i32) {
        let connection = self.add(name, server);
        let wall_ms = self.ensemble().wall_ms();
        self.ensemble().step(server, Event::NewSession { connection, timeout_ms, wall_ms });
        self.ensemble().deliver();
    }

    fn reopen(&mut self, name: &str, older: &str, server: i64, timeout_ms: i32, how: &str) {
        let (old_server, old_connection) = self.connection(older);
        let connection = self.add(name, server);
        let ensemble = self.ensemble();
        let session = ensemble.host(old_server).sessions.get(&old_connection).copied();
        let session = session.unwrap_or(SessionId(0x77));
        let password = pipeline::sessions::password(session);
        let password = if how == "wrong-password" { vec![0; 16] } else { password.to_vec() };
        let wall_ms = ensemble.wall_ms();
        ensemble.step(server, Event::ReopenSession { connection, session, password, timeout_ms, wall_ms });
        ensemble.deliver();
    }

    fn request(&mut self, name: &str, request: Request, is_late: bool) {
        let (server, client) = self.clients.get_mut(name).expect("a client");
        let (server, connection) = (*server, ConnectionId(client.id));
        client.xid += 1;
        client.asked.insert(client.xid, request.op_code());
        client.awaits_handshake |= matches!(request, Request::CreateSession(_));
        let xid = client.xid;
        let ensemble = self.ensemble();
        let (received, wall_ms) = (ensemble.now, ensemble.wall_ms());
        let host = ensemble.host(server);
        let identities: Vec<Id> =
            host.boxes.0.get(&connection).map(|outbox| outbox.identities().to_vec()).unwrap_or_default();
        let session = host.sessions.get(&connection).copied().unwrap_or(SessionId::NONE);
        let (identities, body) = (Identities::from(identities), body(&request));
        let request =
            ClientRequest { connection, session, xid, request, body, identities, received, wall_ms };
        ensemble.step(server, if is_late { Event::Throttled(request) } else { Event::Request(request) });
        ensemble.deliver();
    }
}

fn member(member: &::ensemble::Member) -> String {
    format!("{}{}", member.id, if member.votes() { "" } else { "o" })
}

/// Servers that do the same one after the other share a line.
fn merged(lines: Vec<String>) -> Vec<String> {
    let mut merged: Vec<(String, Option<String>)> = Vec::new();
    for line in lines {
        let said = line.split_once(": ").filter(|(id, _)| id.parse::<i64>().is_ok());
        let (who, said) = said.map_or((line.clone(), None), |(id, said)| (id.into(), Some(said.to_string())));
        match merged.last_mut() {
            Some((ids, last)) if said.is_some() && *last == said => *ids = format!("{ids} {who}"),
            Some(_) | None => merged.push((who, said)),
        }
    }
    merged.into_iter().map(|(who, said)| said.map_or(who.clone(), |said| format!("{who}: {said}"))).collect()
}
