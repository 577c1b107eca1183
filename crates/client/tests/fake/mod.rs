//! A server that does what the test says, frame by frame.

use std::time::Duration;

use jute::proto::{ConnectRequest, ConnectResponse, ReplyHeader, RequestHeader, WatcherEvent};
use jute::{Reader, Record, SessionId, Zxid, xid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const SESSION: i64 = 0x0100_0000_0000_0007;
pub(crate) const PASSWORD: [u8; 16] = [9; 16];

pub(crate) struct FakeServer {
    listener: TcpListener,
}

pub(crate) struct Peer {
    stream: TcpStream,
}

pub(crate) struct Request {
    pub(crate) xid: i32,
    pub(crate) op_code: i32,
    pub(crate) body: Vec<u8>,
}

impl FakeServer {
    pub(crate) async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// The next connection, before its handshake.
    pub(crate) async fn accept(&self) -> Peer {
        let waiting = tokio::time::timeout(Duration::from_secs(20), self.listener.accept());
        Peer { stream: waiting.await.expect("nobody connects").unwrap().0 }
    }

    /// The next connection, with a session of this timeout on it.
    pub(crate) async fn session(&self, timeout_ms: i32) -> (Peer, ConnectRequest) {
        let mut peer = self.accept().await;
        let request = ConnectRequest::from_slice(&peer.frame().await).unwrap();
        peer.grant(timeout_ms, SESSION).await;
        (peer, request)
    }
}

impl Peer {
    /// Answers the handshake; a timeout of 0 says that the session is gone.
    pub(crate) async fn grant(&mut self, timeout_ms: i32, session: i64) {
        let response = ConnectResponse {
            protocol_version: 0,
            time_out: timeout_ms,
            session_id: SessionId(session),
            passwd: Some(PASSWORD.to_vec().into()),
            read_only: Some(false),
        };
        self.send(&response.to_vec()).await;
    }

    pub(crate) async fn frame(&mut self) -> Vec<u8> {
        tokio::time::timeout(Duration::from_secs(20), async {
            let length = self.stream.read_u32().await.expect("the client has closed");
            let mut frame = vec![0; length as usize];
            self.stream.read_exact(&mut frame).await.unwrap();
            frame
        })
        .await
        .expect("nothing comes")
    }

    /// The next request, pings included.
    pub(crate) async fn any_request(&mut self) -> Request {
        let frame = self.frame().await;
        let mut reader = Reader::from_slice(&frame);
        let header = RequestHeader::decode(&mut reader).unwrap();
        Request { xid: header.xid, op_code: header.op_code, body: reader.rest().to_vec() }
    }

    /// The next request that is not a ping; pings are answered.
    pub(crate) async fn request(&mut self) -> Request {
        loop {
            let request = self.any_request().await;
            if request.xid != xid::PING {
                return request;
            }
            self.reply(xid::PING, 0, 0, &[]).await;
        }
    }

    pub(crate) async fn reply(&mut self, xid: i32, zxid: i64, err: i32, body: &[u8]) {
        let mut frame = ReplyHeader { xid, zxid: Zxid(zxid), err }.to_vec();
        frame.extend_from_slice(body);
        self.send(&frame).await;
    }

    pub(crate) async fn event(&mut self, kind: i32, path: &str, zxid: i64) {
        let event = WatcherEvent { event_type: kind, state: 3, path: path.to_owned() };
        self.reply(xid::NOTIFICATION, zxid, 0, &event.to_vec()).await;
    }

    pub(crate) async fn send(&mut self, frame: &[u8]) {
        self.stream.write_u32(u32::try_from(frame.len()).unwrap()).await.unwrap();
        self.stream.write_all(frame).await.unwrap();
    }

    /// Waits until the client has closed its side.
    pub(crate) async fn closed(mut self) {
        let mut rest = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(20), self.stream.read_to_end(&mut rest));
        reading.await.expect("the client does not close").unwrap();
    }
}
