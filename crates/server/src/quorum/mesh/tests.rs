//! The mesh over loopback: against itself, and against bytes as Apache's servers send them.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ensemble::HostPort;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::settings::{HANDSHAKES_MAX, MESSAGE_BYTES_MAX};
use super::*;
use crate::quorum::paths::{Paths, Script};

/// No step of a test takes as long as this.
const SOON: Duration = Duration::from_secs(20);
/// So long that whoever waits for it fails its test.
const NEVER: Duration = Duration::from_secs(3600);

/// Loopback addresses that no other test has.
struct Net([u8; 2]);

impl Net {
    fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let process = std::process::id().to_be_bytes()[3] | 0x80;
        Self([process, NEXT.fetch_add(1, Ordering::Relaxed)])
    }

    /// A free port on the address of this server. Nobody else binds there, and nobody dials from there.
    fn address(&self, server: u8) -> HostPort {
        let ip = Ipv4Addr::new(127, self.0[0], self.0[1], server);
        let port = std::net::TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap().port();
        HostPort { host: ip.to_string(), port }
    }

    fn members<const N: usize>(&self, ids: [u8; N]) -> Members {
        ids.map(|id| (ServerId(id.into()), vec![self.address(id)])).into()
    }
}

struct Server {
    mesh: Mesh,
    incoming: mpsc::Receiver<(ServerId, Bytes)>,
}

fn settings(me: i64, members: &Members) -> MeshSettings {
    MeshSettings::new(ServerId(me), members[&ServerId(me)].clone(), SOON)
}

impl Server {
    async fn start(me: i64, members: &Members) -> Self {
        Self::with(settings(me, members), members).await
    }

    async fn with(settings: MeshSettings, members: &Members) -> Self {
        let (sender, incoming) = mpsc::channel(1);
        let mesh = Mesh::start(settings, members.clone(), sender, |_| {}).await.unwrap();
        Self { mesh, incoming }
    }

    fn send(&self, to: i64, message: &'static str) {
        self.mesh.send(ServerId(to), Bytes::from_static(message.as_bytes()));
    }

    async fn receive(&mut self) -> (i64, String) {
        let received = timeout(SOON, self.incoming.recv()).await.expect("nothing came").unwrap();
        (received.0.0, String::from_utf8(received.1.to_vec()).unwrap())
    }

    /// Until this message came; others, and repeats, may come before.
    async fn receive_this(&mut self, from: i64, message: &str) {
        while self.receive().await != (from, message.to_owned()) {}
    }
}

/// A peer made of bytes.
struct Raw(TcpStream);

impl Raw {
    async fn dial(address: &HostPort) -> Self {
        Self(TcpStream::connect((address.host.as_str(), address.port)).await.unwrap())
    }

    /// Dials and says who it is, as servers since 3.5 do.
    async fn hello(to: &HostPort, me: i64, address: &str) -> Self {
        let mut raw = Self::dial(to).await;
        raw.write(&hello(me, address)).await;
        raw
    }

    async fn accept(listener: &TcpListener) -> Self {
        Self(timeout(SOON, listener.accept()).await.expect("nobody dialled").unwrap().0)
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn write_frame(&mut self, message: &[u8]) {
        self.write(&u32::try_from(message.len()).unwrap().to_be_bytes()).await;
        self.write(message).await;
    }

    async fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        timeout(SOON, self.0.read_exact(&mut bytes)).await.expect("nothing came").unwrap();
        bytes
    }

    async fn read_frame(&mut self) -> String {
        let len = u32::from_be_bytes(self.read(4).await.try_into().unwrap());
        String::from_utf8(self.read(len as usize).await).unwrap()
    }

    /// What comes until the other side closes.
    async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A close with something unread is a reset.
        let _ = timeout(SOON, self.0.read_to_end(&mut bytes)).await.expect("the connection was kept");
        bytes
    }
}

fn hello(me: i64, address: &str) -> Vec<u8> {
    let mut bytes = (-65536_i64).to_be_bytes().to_vec();
    bytes.extend_from_slice(&me.to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(address.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(address.as_bytes());
    bytes
}

async fn listen(address: &HostPort) -> TcpListener {
    TcpListener::bind((address.host.as_str(), address.port)).await.unwrap()
}

/// A port whose backlog is full, so that what dials it hears nothing. The streams keep it full.
async fn black_hole(address: &HostPort) -> (socket2::Socket, Vec<TcpStream>) {
    let to: SocketAddr = format!("{}:{}", address.host, address.port).parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&to.into()).unwrap();
    socket.listen(0).unwrap();
    let mut fill = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(200), TcpStream::connect(to)).await {
        fill.push(connected.unwrap());
        assert!(fill.len() < 10, "the backlog has no end");
    }
    (socket, fill)
}

#[tokio::test]
async fn three_servers_hear_each_other() {
    let members = Net::new().members([1, 2, 3]);
    let mut servers = Vec::new();
    for me in 1..=3 {
        servers.push(Server::start(me, &members).await);
    }
    for server in &servers {
        for to in 1..=3 {
            server.send(to, "vote");
        }
    }
    for server in &mut servers {
        let mut missing = vec![1, 2, 3];
        while !missing.is_empty() {
            let (from, message) = server.receive().await;
            assert_eq!(message, "vote");
            missing.retain(|id| *id != from);
        }
        assert!(server.mesh.has_delivered());
    }
}

#[tokio::test]
async fn the_smaller_id_says_hello_and_is_dialled() {
    let members = Net::new().members([1, 3]);
    let own = members[&ServerId(1)][0].clone();
    let peer = listen(&members[&ServerId(3)][0]).await;
    let mut server = Server::start(1, &members).await;
    server.send(3, "old");
    server.send(3, "new");
    assert_eq!(Raw::accept(&peer).await.rest().await, hello(1, &own.to_string()));
    assert!(!server.mesh.is_connected(ServerId(3)));
    let mut raw = Raw::hello(&own, 3, "ignored:1").await;
    assert_eq!(raw.read_frame().await, "new");
    raw.write_frame(b"answer").await;
    assert_eq!(server.receive().await, (3, "answer".to_owned()));
    assert!(server.mesh.is_connected(ServerId(3)));
}

#[tokio::test]
async fn the_larger_id_closes_and_dials_the_configured_address() {
    let net = Net::new();
    let members = net.members([1, 3]);
    let own = members[&ServerId(3)][0].clone();
    let peer = listen(&members[&ServerId(1)][0]).await;
    let elsewhere = net.address(9);
    let trap = listen(&elsewhere).await;
    let server = Server::start(3, &members).await;
    server.send(1, "vote");
    let mut first = Raw::accept(&peer).await;
    assert_eq!(first.read(hello(3, &own.to_string()).len()).await, hello(3, &own.to_string()));
    assert_eq!(first.read_frame().await, "vote");
    // The peer has forgotten its connection: ours goes, and the new one brings the last message again.
    let mut asking = Raw::hello(&own, 1, &elsewhere.to_string()).await;
    assert!(asking.rest().await.is_empty());
    assert!(first.rest().await.is_empty());
    let mut second = Raw::accept(&peer).await;
    second.read(hello(3, &own.to_string()).len()).await;
    assert_eq!(second.read_frame().await, "vote");
    drop(server);
    assert!(second.rest().await.is_empty());
    assert!(timeout(Duration::ZERO, trap.accept()).await.is_err(), "a member was dialled where it said");
}

#[tokio::test]
async fn several_addresses_are_told_in_version_2() {
    let net = Net::new();
    let members = net.members([1, 3]);
    let peer = listen(&members[&ServerId(3)][0]).await;
    let mut settings = settings(1, &members);
    settings.multi_address = true;
    settings.own_addresses.push(HostPort { host: "::1".to_owned(), port: 1 });
    let text = format!("{}|[::1]:1", settings.own_addresses[0]);
    let server = Server::with(settings, &members).await;
    server.send(3, "vote");
    let mut expected = hello(1, &text);
    expected[7] = 1;
    assert_eq!(Raw::accept(&peer).await.rest().await, expected);
}

#[tokio::test]
async fn a_peer_that_comes_back_gets_the_last_message_again() {
    for (staying, restarting) in [(1, 2), (2, 1)] {
        let members = Net::new().members([1, 2]);
        let mut stays = Server::start(staying, &members).await;
        let mut other = Server::start(restarting, &members).await;
        stays.send(restarting, "the last");
        other.receive_this(staying, "the last").await;
        other.mesh.close().await;
        let mut other = Server::start(restarting, &members).await;
        other.send(staying, "back");
        stays.receive_this(restarting, "back").await;
        other.receive_this(staying, "the last").await;
    }
}

#[tokio::test]
async fn dead_addresses_delay_nobody_else() {
    let net = Net::new();
    let mut members = net.members([1, 2, 3, 5, 9]);
    let hole = members[&ServerId(2)][0].clone();
    let _filled = black_hole(&hole).await;
    members.insert(ServerId(4), vec![HostPort { host: "no-such-host.invalid".to_owned(), port: 1 }]);
    members.get_mut(&ServerId(5)).unwrap().insert(0, hole);
    let settings = MeshSettings { connect_timeout: NEVER, ..settings(9, &members) };
    let server = Server::with(settings, &members).await;
    let mut alive = Server::start(3, &members).await;
    let second = members[&ServerId(5)][1..].to_vec();
    let own = MeshSettings::new(ServerId(5), second, SOON);
    let mut second_address = Server::with(own, &members).await;
    for to in [1, 2, 4, 3, 5] {
        server.send(to, "vote");
    }
    server.mesh.connect_all();
    assert_eq!(alive.receive().await, (9, "vote".to_owned()));
    assert_eq!(second_address.receive().await, (9, "vote".to_owned()));
    for dead in [1, 2, 4] {
        assert!(!server.mesh.is_connected(ServerId(dead)));
    }
}

#[tokio::test]
async fn a_peer_that_was_down_is_dialled_until_it_is_up() {
    let members = Net::new().members([1, 2]);
    let server = Server::start(2, &members).await;
    server.send(1, "early");
    let mut late = Server::start(1, &members).await;
    late.receive_this(2, "early").await;
}

#[tokio::test]
async fn a_member_that_moves_is_dialled_at_its_new_address() {
    let net = Net::new();
    let mut members = net.members([1, 2]);
    let server = Server::start(2, &members).await;
    server.send(1, "vote");
    members.insert(ServerId(1), vec![net.address(7)]);
    let mut moved = Server::start(1, &members).await;
    server.mesh.set_members(members);
    server.mesh.connect_all();
    moved.receive_this(2, "vote").await;
}

#[tokio::test]
async fn garbage_is_refused_and_the_port_lives_on() {
    let members = Net::new().members([1, 3]);
    let own = members[&ServerId(1)][0].clone();
    let mut server = Server::start(1, &members).await;
    let mut long = hello(3, "");
    long[16..20].copy_from_slice(&2049_u32.to_be_bytes());
    let rows: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[0xff; 64],
        &(-65537_i64).to_be_bytes(),
        &hello(3, ""),
        &long,
        &hello(3, "not an address"),
        &hello(3, "a:99999"),
        &hello(-7, "a:1"),
        &hello(1, "a:1"),
    ];
    for bytes in rows {
        let mut raw = Raw::dial(&own).await;
        raw.write(bytes).await;
        // What looks like an id of an old server is one, of no member: a request line becomes a frame too long.
        assert!(raw.rest().await.is_empty(), "{bytes:?}");
    }
    // A part of a message, and then nothing: the oldest of too many goes.
    let mut silent = Vec::new();
    for _ in 0..=HANDSHAKES_MAX {
        let mut raw = Raw::dial(&own).await;
        raw.write(&hello(3, "a:1")[..9]).await;
        silent.push(raw);
    }
    assert!(silent[0].rest().await.is_empty());
    let mut raw = Raw::hello(&own, 3, "a:1").await;
    raw.write_frame(b"vote").await;
    assert_eq!(server.receive().await, (3, "vote".to_owned()));
}

#[tokio::test]
async fn frames_have_limits() {
    let members = Net::new().members([1, 3]);
    let own = members[&ServerId(1)][0].clone();
    let mut server = Server::start(1, &members).await;
    for length in [0, -1, i32::MIN, i32::MAX, i32::try_from(MESSAGE_BYTES_MAX).unwrap() + 1] {
        let mut raw = Raw::hello(&own, 3, "a:1").await;
        raw.write(&length.to_be_bytes()).await;
        assert!(raw.rest().await.is_empty(), "{length}");
    }
    let mut raw = Raw::hello(&own, 3, "a:1").await;
    raw.write_frame(&vec![b'x'; MESSAGE_BYTES_MAX]).await;
    assert_eq!(server.receive().await.1.len(), MESSAGE_BYTES_MAX);
}

#[tokio::test]
async fn an_old_server_sends_its_id_alone() {
    let members = Net::new().members([1, 3]);
    let mut server = Server::start(1, &members).await;
    let mut raw = Raw::dial(&members[&ServerId(1)][0]).await;
    raw.write(&3_i64.to_be_bytes()).await;
    raw.write_frame(b"vote").await;
    assert_eq!(server.receive().await, (3, "vote".to_owned()));
}

#[tokio::test]
async fn only_a_correct_message_displaces_a_connection() {
    let members = Net::new().members([1, 3]);
    let own = members[&ServerId(1)][0].clone();
    let mut server = Server::start(1, &members).await;
    let mut first = Raw::hello(&own, 3, "a:1").await;
    first.write_frame(b"first").await;
    server.receive_this(3, "first").await;
    let mut bad = Raw::hello(&own, 3, "a").await;
    assert!(bad.rest().await.is_empty());
    first.write_frame(b"still there").await;
    server.receive_this(3, "still there").await;
    let mut second = Raw::hello(&own, 3, "a:1").await;
    second.write_frame(b"second").await;
    server.receive_this(3, "second").await;
    assert!(first.rest().await.is_empty());
}

#[tokio::test]
async fn who_is_no_member_is_heard_and_answered() {
    let members = Net::new().members([1, 3]);
    let own = members[&ServerId(1)][0].clone();
    let mut server = Server::start(1, &members).await;
    let mut member = Raw::hello(&own, 3, "a:1").await;
    member.write_frame(b"member").await;
    server.receive_this(3, "member").await;
    for (claimed, given) in [(7, 7), (i64::MAX, -1), (i64::MAX, -2)] {
        let mut guest = Raw::hello(&own, claimed, "a:1").await;
        guest.write_frame(b"who leads?").await;
        assert_eq!(server.receive().await, (given, "who leads?".to_owned()));
        server.send(given, "3 does");
        assert_eq!(guest.read_frame().await, "3 does");
    }
    assert!(server.mesh.is_connected(ServerId(3)));
    member.write_frame(b"still there").await;
    server.receive_this(3, "still there").await;
    server.send(42, "nobody there");
}

#[tokio::test]
async fn a_non_member_with_a_smaller_id_is_dialled_where_it_says_if_that_is_allowed() {
    let net = Net::new();
    let members = net.members([3, 5]);
    let own = members[&ServerId(5)][0].clone();
    let address = net.address(1);
    let joiner = listen(&address).await;
    let mut server = Server::start(5, &members).await;
    let mut asking = Raw::hello(&own, 1, &format!("0.0.0.0:1|{address}")).await;
    asking.write_frame(b"is closed before it is read").await;
    asking.rest().await;
    let mut raw = Raw::accept(&joiner).await;
    raw.read(hello(5, &own.to_string()).len()).await;
    raw.write_frame(b"who leads?").await;
    assert_eq!(server.receive().await, (1, "who leads?".to_owned()));
    server.send(1, "5 does");
    assert_eq!(raw.read_frame().await, "5 does");
    server.mesh.close().await;

    let settings = MeshSettings { dials_back_non_members: false, ..settings(5, &members) };
    let server = Server::with(settings, &members).await;
    let mut asking = Raw::hello(&own, 1, &address.to_string()).await;
    assert!(asking.rest().await.is_empty());
    server.mesh.close().await;
    assert!(timeout(Duration::ZERO, joiner.accept()).await.is_err(), "dialled all the same");
}

#[tokio::test]
async fn an_observer_without_id_keeps_what_it_dialled() {
    let net = Net::new();
    let members = net.members([1]);
    let own = net.address(2);
    let mut server = Server::start(1, &members).await;
    let settings = MeshSettings::new(initial_message::OBSERVER_WITHOUT_ID, vec![own], SOON);
    let mut observer = Server::with(settings, &members).await;
    observer.send(1, "who leads?");
    assert_eq!(server.receive().await, (-1, "who leads?".to_owned()));
    server.send(-1, "1 does");
    assert_eq!(observer.receive().await, (1, "1 does".to_owned()));
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_and_one_of_two_is_enough() {
    let net = Net::new();
    let mut members = net.members([1, 2]);
    let taken = members[&ServerId(1)][0].clone();
    let holder = listen(&taken).await;
    let settings = MeshSettings { bind_attempts: 1, ..settings(1, &members) };
    let (sender, _incoming) = mpsc::channel(1);
    let error = Mesh::start(settings.clone(), members.clone(), sender, |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&taken.to_string()), "{error}");

    let free = net.address(7);
    let mut server = {
        let own_addresses = vec![taken, free.clone()];
        Server::with(MeshSettings { own_addresses, ..settings }, &members).await
    };
    members.insert(ServerId(1), vec![free]);
    let peer = Server::start(2, &members).await;
    peer.send(1, "vote");
    server.receive_this(2, "vote").await;
    drop(holder);
}

#[tokio::test]
async fn a_server_whose_name_has_no_address_yet_dials_meanwhile() {
    let net = Net::new();
    let members = net.members([1, 2]);
    let mut peer = Server::start(1, &members).await;
    let nameless = HostPort { host: "no-address-of-this-machine.invalid".to_owned(), port: 1 };
    let own_addresses = vec![nameless];
    let server = Server::with(MeshSettings { own_addresses, ..settings(2, &members) }, &members).await;
    server.send(1, "vote");
    assert_eq!(peer.receive().await, (2, "vote".to_owned()));
}

#[tokio::test]
async fn a_dead_address_gives_way_to_the_next_one() {
    let net = Net::new();
    let mut members = net.members([1, 2]);
    let both = vec![net.address(1), net.address(11)];
    members.insert(ServerId(1), both.clone());
    let mut peer = Server::start(1, &members).await;
    let script = Arc::new(Script::default());
    let paths = Paths { probe: Some(SOON), script: Some(Arc::clone(&script)) };
    let server = Server::with(MeshSettings { paths, ..settings(2, &members) }, &members).await;

    let remote = || server.mesh.shared.table().remote(ServerId(1)).unwrap().ip().to_string();
    server.send(1, "first");
    assert_eq!(peer.receive().await, (2, "first".to_owned()));
    assert_eq!(remote(), both[0].host);
    script.bury(both[0].host.parse().unwrap());
    server.send(1, "second");
    assert_eq!(peer.receive().await, (2, "second".to_owned()));
    // What was sent last begins each connection.
    assert_eq!(peer.receive().await, (2, "second".to_owned()));
    assert_eq!(remote(), both[1].host);
}

#[tokio::test]
async fn one_address_where_nobody_listens_is_passed_over() {
    let net = Net::new();
    let mut members = net.members([1, 2]);
    let (closed, open) = (net.address(1), net.address(11));
    members.insert(ServerId(1), vec![open.clone()]);
    let mut peer = Server::start(1, &members).await;
    members.insert(ServerId(1), vec![closed, open]);
    let paths = Paths::new(Some(SOON));
    let server = Server::with(MeshSettings { paths, ..settings(2, &members) }, &members).await;
    server.send(1, "vote");
    peer.receive_this(2, "vote").await;
}

#[tokio::test]
async fn listening_on_all_addresses_takes_the_port_alone() {
    let net = Net::new();
    let mut members = net.members([1, 2]);
    let reachable = members[&ServerId(1)][0].clone();
    members.get_mut(&ServerId(1)).unwrap()[0].host = "no-address-of-this-machine.invalid".to_owned();
    // Some other test may have the port on an address of its own for a moment.
    let settings = MeshSettings { listen_on_all_ips: true, bind_attempts: 20, ..settings(1, &members) };
    let mut server = Server::with(settings, &members).await;
    let mut raw = Raw::hello(&reachable, 2, "a:1").await;
    raw.write_frame(b"vote").await;
    assert_eq!(server.receive().await, (2, "vote".to_owned()));
}

/// What a server of release 3.9.5 with id 3 sent when it dialled server 1 and began its first election.
#[tokio::test]
async fn a_recorded_beginning_is_understood() {
    let members = Net::new().members([1, 3]);
    let mut server = Server::start(1, &members).await;
    let mut raw = Raw::dial(&members[&ServerId(1)][0]).await;
    let header = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 15];
    raw.write(&header).await;
    raw.write(b"127.0.0.1:33883").await;
    let mut notification = vec![0; 44];
    notification[11] = 3; // leader
    notification[27] = 1; // round
    notification[39] = 2; // version
    notification[43] = 0x8a; // bytes of the membership
    notification.extend_from_slice(
        b"server.1=127.0.0.1:33891:33881:participant\nserver.2=127.0.0.1:33892:33882:participant\n\
          server.3=127.0.0.1:33893:33883:participant\nversion=0",
    );
    raw.write(&[0, 0, 0, 0xb6]).await;
    raw.write(&notification).await;
    let received = timeout(SOON, server.incoming.recv()).await.unwrap().unwrap();
    assert_eq!(received, (ServerId(3), Bytes::from(notification)));
}
