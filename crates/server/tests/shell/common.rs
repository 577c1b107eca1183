//! A server on loopback and a client that speaks raw frames.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jute::data::{Acl, Id};
use jute::proto::{
    ConnectRequest, ConnectResponse, CreateRequest, ReplyHeader, RequestHeader, SetDataRequest,
};
use jute::{OpCode, Reader, Record, SessionId, Zxid, perms};
use rookeeper_server::settings::Raw;
use rookeeper_server::{ConfigSource, Handle, Settings};

/// Nothing on loopback takes so long; a test that waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A directory of its own, removed afterwards.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rookeeper-shell-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// Settings with the data here and a free port, and more lines of `zoo.cfg`.
    pub(crate) fn settings(&self, lines: &str) -> Settings {
        let path = self.0.join("zoo.cfg");
        let text = format!(
            "dataDir={}\nclientPort=0\nclientPortAddress=127.0.0.1\ntickTime=500\npreAllocSize=64\n\
             maxClientCnxns=0\n4lw.commands.whitelist=*\n{lines}\n",
            self.0.join("data").display()
        );
        std::fs::write(&path, text).unwrap();
        Settings::check(&Raw::gather(&ConfigSource::File(path), &[], |_| None).unwrap()).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

pub(crate) fn start(dir: &Dir, lines: &str) -> Handle {
    rookeeper_server::start(dir.settings(lines)).unwrap()
}

/// A client with one session.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) session: SessionId,
    xid: i32,
}

/// A reply or an event.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) header: ReplyHeader,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(server: &Handle) -> Self {
        let mut client = Self::raw(server.address().unwrap());
        client.hello(Some(false));
        let frame = client.frame().unwrap();
        client.session = ConnectResponse::decode(&mut Reader::from_slice(&frame)).unwrap().session_id;
        assert_ne!(client.session, SessionId::NONE);
        client
    }

    /// Asks for a new session.
    pub(crate) fn hello(&mut self, read_only: Option<bool>) {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid::ZERO,
            time_out: 10_000,
            session_id: SessionId::NONE,
            passwd: Some(vec![0; 16].into()),
            read_only,
        };
        self.send(|out| request.encode(out));
    }

    /// Without a handshake.
    pub(crate) fn raw(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, session: SessionId::NONE, xid: 0 }
    }

    pub(crate) fn send(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut frame = Vec::new();
        jute::write::with_length(&mut frame, encode);
        self.stream.write_all(&frame).unwrap();
    }

    /// Sends a request; its xid.
    pub(crate) fn request(&mut self, op: OpCode, body: impl FnOnce(&mut Vec<u8>)) -> i32 {
        self.xid += 1;
        let xid = self.xid;
        self.send(|out| {
            RequestHeader { xid, op_code: op.code() }.encode(out);
            body(out);
        });
        xid
    }

    /// The next frame; none when the server has closed.
    pub(crate) fn frame(&mut self) -> Option<Vec<u8>> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix).ok()?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(prefix)).unwrap()];
        self.stream.read_exact(&mut frame).ok()?;
        Some(frame)
    }

    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let frame = self.frame()?;
        let mut reader = Reader::from_slice(&frame);
        let header = ReplyHeader::decode(&mut reader).unwrap();
        Some(Answer { header, body: frame[16..].to_vec() })
    }

    pub(crate) fn create(&mut self, path: &str, data: &[u8], flags: i32) -> i32 {
        self.send_create(path, data, flags);
        self.answer().unwrap().header.err
    }

    pub(crate) fn send_create(&mut self, path: &str, data: &[u8], flags: i32) -> i32 {
        let anyone = Id { scheme: "world".into(), id: "anyone".into() };
        let acl = vec![Acl { perms: perms::ALL, id: anyone }];
        let request =
            CreateRequest { path: path.into(), data: Some(data.to_vec().into()), acl: Some(acl), flags };
        self.request(OpCode::Create, |out| request.encode(out))
    }

    pub(crate) fn send_set(&mut self, path: &str, data: &[u8]) -> i32 {
        let request = SetDataRequest { path: path.into(), data: Some(data.to_vec().into()), version: -1 };
        self.request(OpCode::SetData, |out| request.encode(out))
    }

    /// Error code and data.
    pub(crate) fn get(&mut self, path: &str, watch: bool) -> (i32, Vec<u8>) {
        self.request(OpCode::GetData, |out| {
            jute::write::string(out, path);
            jute::write::boolean(out, watch);
        });
        let answer = self.answer().unwrap();
        if answer.header.err != 0 {
            return (answer.header.err, Vec::new());
        }
        let data = Reader::from_slice(&answer.body).buffer().unwrap().unwrap();
        (0, data.to_vec())
    }

    /// Waits until the server has what was committed before.
    pub(crate) fn sync(&mut self, path: &str) {
        self.request(OpCode::Sync, |out| jute::write::string(out, path));
        assert_eq!(self.answer().unwrap().header.err, 0);
    }

    /// Whether the server closes without another word.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.frame().is_none()
    }
}

/// The answer to a four-letter word. A connection that was refused, since others are still counted, is tried again.
pub(crate) fn word(server: &Handle, word: &[u8]) -> String {
    let mut text = String::new();
    until("the answer to a word", || {
        let mut stream = TcpStream::connect(server.address().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        text.clear();
        stream.write_all(word).is_ok() && stream.read_to_string(&mut text).is_ok()
    });
    text
}

/// A number of `mntr`.
pub(crate) fn metric(server: &Handle, name: &str) -> i64 {
    let mut text = String::new();
    until("an answer to mntr", || {
        text = word(server, b"mntr");
        !text.is_empty()
    });
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("zk_{name}\t")));
    line.unwrap_or_else(|| panic!("no metric {name}")).parse().unwrap()
}

/// Waits for what another thread brings about.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::yield_now();
    }
}
