//! Scripts: what a client and the log see of each behaviour, one file per behaviour.
//!
//! A file is a list of blocks: commands, `---`, what they bring about, an empty line. `UPDATE_GOLDENFILES=1` writes
//! what comes out into the files; read the difference before you keep it.
//!
//! Whatever a command appends is durable at once, unless a block says `hold`; then `sync` says when.

mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jute::SessionId;
use pipeline::event::Event;
use pipeline::request::Request;
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use rookeeper_replica::ConnectionId;
use tree::watches::WatchKind;
use world::client::{Client, frames};
use world::language::{identity, number, request, unreadable};
use world::{World, show};

#[test]
fn scripts() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    world::golden::check_all(&folder, |commands: &str, script: &mut Script| script.run(commands));
}

#[derive(Default)]
struct Script {
    settings: PipelineSettings,
    world: Option<World>,
    connections: BTreeMap<String, Client>,
    hold: bool,
}

impl Script {
    fn run(&mut self, commands: &str) -> String {
        self.hold = false;
        let mut lines = Vec::new();
        for command in commands.lines().filter(|line| !line.starts_with('#')) {
            self.command(command);
            lines.extend(self.carry_out());
        }
        lines.join("\n")
    }

    fn world(&mut self) -> &mut World {
        let settings = self.settings.clone();
        self.world.get_or_insert_with(|| World::new(settings))
    }

    fn carry_out(&mut self) -> Vec<String> {
        let Some(world) = &mut self.world else { return Vec::new() };
        let effects = if self.hold { world.carry_out() } else { world.settle() };
        let mut lines: Vec<String> = effects.iter().filter_map(show::effect).collect();
        for (name, client) in &mut self.connections {
            let id = ConnectionId(client.id);
            let Some(outbox) = world.boxes.0.get_mut(&id) else { continue };
            lines.extend(frames(client, outbox).into_iter().map(|frame| format!("{name} <- {frame}")));
            if let Some(why) = outbox.closed()
                && !std::mem::replace(&mut client.is_closed, true)
            {
                lines.push(format!("{name} closed: {why}"));
            }
        }
        lines
    }

    fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        match word(0) {
            "set-up" => self.set_up(word(1), word(2)),
            "hold" => self.hold = true,
            "sync-log" => self.world().sync_log(),
            "wait" => {
                let ms: u64 = number(word(1));
                let world = self.world();
                world.now = world.now.plus(ms);
            }
            "tick" => {
                let world = self.world();
                world.now = world.now.plus(number(word(1)));
                let wall_ms = world.wall_ms();
                world.step(Event::Tick { wall_ms });
            }
            "deadline" => {
                let world = self.world();
                world.now = world.now.max(world.replica.next_deadline().unwrap_or(Millis(0)));
                let wall_ms = world.wall_ms();
                world.step(Event::Deadline { wall_ms });
            }
            "containers" => {
                let wall_ms = self.world().wall_ms();
                self.world().step(Event::ContainerCheck { wall_ms });
            }
            "shutdown" => self.world().step(Event::Shutdown),
            "connect" => self.connect(word(1), number(word(2))),
            "reopen" => self.reopen(word(1), word(2), number(word(3)), word(4) != "wrong-password"),
            "lose" => {
                let connection = self.id_of(word(1));
                self.world().boxes.0.remove(&connection);
                self.world().step(Event::ConnectionLost { connection });
            }
            "heard" => {
                let connection = self.id_of(word(1));
                let sessions = self.world().sessions.get(&connection).copied().into_iter().collect();
                self.world().step(Event::Heard { sessions });
            }
            "watch" => {
                let connection = self.id_of(word(1));
                let kind = match word(2) {
                    "data" => WatchKind::Data,
                    "children" => WatchKind::Children,
                    "persistent" => WatchKind::Persistent,
                    "recursive" => WatchKind::PersistentRecursive,
                    kind => unreadable(kind),
                };
                self.world().watches.add(word(3), connection, kind);
            }
            "am" => {
                let id = identity(word(2));
                self.connections.get_mut(word(1)).expect("a connection").identities.push(id);
            }
            name => {
                let (name, rest) = (name.to_string(), line.split_once(' ').map_or("", |(_, rest)| rest));
                let late = rest.strip_prefix("late ");
                let request = request(late.unwrap_or(rest)).unwrap_or_else(|| unreadable(line));
                self.request(&name, request, late.is_some());
            }
        }
    }

    fn set_up(&mut self, key: &str, value: &str) {
        let settings = &mut self.settings;
        match key {
            "extended-types" => settings.extended_types = value == "on",
            "enforce-quota" => settings.enforce_quota = value == "on",
            "skip-acl" => settings.acl.skip_acl = value == "on",
            "reconfig" => settings.reconfig_enabled = value == "on",
            "close-session-txn" => settings.close_session_txn = value == "on",
            "jute-max-buffer" => (settings.jute_max_buffer, settings.jute_extra) = (number(value), 0),
            "max-never-used-ms" => settings.containers.max_never_used_interval_ms = number(value),
            "containers-per-minute" => settings.containers.max_per_minute = number(value),
            _ => unreadable(key),
        }
    }

    fn id_of(&self, name: &str) -> ConnectionId {
        ConnectionId(self.connections.get(name).expect("a connection").id)
    }

    fn add(&mut self, name: &str) -> ConnectionId {
        let id = u64::try_from(self.connections.len()).expect("few") + 1;
        let client = Client { id, awaits_handshake: true, ..Client::default() };
        self.connections.insert(name.into(), client);
        let settings = Arc::new(self.settings.clone());
        self.world().open(ConnectionId(id), &settings);
        ConnectionId(id)
    }

    fn connect(&mut self, name: &str, timeout_ms: i32) {
        let connection = self.add(name);
        let wall_ms = self.world().wall_ms();
        self.world().step(Event::NewSession { connection, timeout_ms, wall_ms });
    }

    fn reopen(&mut self, name: &str, older: &str, timeout_ms: i32, is_right: bool) {
        let older = self.connections.get(older).map(|client| ConnectionId(client.id));
        let connection = self.add(name);
        let world = self.world();
        let session = older.and_then(|older| world.sessions.get(&older).copied()).unwrap_or(SessionId(0x77));
        let password = pipeline::sessions::password(session);
        let password = if is_right { password.to_vec() } else { vec![0; 16] };
        let wall_ms = world.wall_ms();
        world.step(Event::ReopenSession { connection, session, password, timeout_ms, wall_ms });
    }

    fn request(&mut self, name: &str, request: Request, is_late: bool) {
        let client = self.connections.get_mut(name).expect("a connection");
        client.xid += 1;
        client.asked.insert(client.xid, request.op_code());
        if matches!(request, Request::CreateSession(_)) {
            client.awaits_handshake = true;
        }
        let (id, xid, identities) = (ConnectionId(client.id), client.xid, client.identities.clone());
        let event = match (self.world().request(id, xid, request, &identities), is_late) {
            (Event::Request(request), true) => Event::Throttled(request),
            (event, _) => event,
        };
        self.world().step(event);
    }
}
