//! One server, several clients with random requests: makes data directories worth comparing, and load to kill a server under.

use std::error::Error;
use std::net::SocketAddr;

use crate::compare::preparation;
use crate::generate::{Generator, SlotView};
use crate::model::Model;
use crate::op;
use crate::paths::Paths;
use crate::reply::{Normal, Outcome, Reply};
use crate::request::{Change, Request};
use crate::session::{Connection, Hello, connect, request_frame};
use crate::wire::Random;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CLIENTS: u64 = 4;
const WINDOW: usize = 16;
/// The sessions outlive the fill, and a restart after it.
const TIMEOUT_MS: i32 = 600_000;

/// Each client sends its share of the requests, or as many as the server lives to answer. Prints the highest zxid
/// that any reply told: all up to it is acknowledged.
pub(crate) fn run(address: SocketAddr, seed: u64, requests: u64) -> Result<()> {
    let clients: Vec<Client> = std::thread::scope(|scope| {
        let one = |number: u64| move || client(address, seed + number, number, requests / CLIENTS);
        let threads: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(one(number))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let answered: u64 = clients.iter().map(|client| client.answered).sum();
    let last = clients.iter().map(|client| client.view.last_zxid).max().unwrap_or(0);
    println!("answered {answered} acknowledged {last:#x}");
    if answered == 0 { Err("nothing was answered".into()) } else { Ok(()) }
}

#[derive(Default)]
struct Client {
    model: Model,
    view: SlotView,
    xid: i32,
    answered: u64,
    normal: Normal,
}

fn client(address: SocketAddr, seed: u64, number: u64, requests: u64) -> Client {
    let mut client = Client::default();
    if let Err(error) = client.go(address, seed, number, requests) {
        println!("client {number} ends: {error}");
    }
    client
}

impl Client {
    fn go(&mut self, address: SocketAddr, seed: u64, number: u64, requests: u64) -> Result<()> {
        let (mut connection, welcome) = connect(address, &Hello::new_session(TIMEOUT_MS))?;
        welcome.filter(|welcome| welcome.session != 0).ok_or("a session was refused")?;
        let paths =
            Paths { base: format!("/d{seed}-{number}").into_bytes(), private: false, old_replay: true };
        let mut random = Random::new(seed);
        for request in preparation(&paths, true) {
            self.exchange(&mut connection, &[request])?;
        }
        while self.answered < requests {
            let count = 1 + random.below(WINDOW);
            let (model, paths, slot) = (&self.model, &paths, self.view);
            let mut generator = Generator { random: &mut random, model, paths, slot };
            let requests: Vec<Request> = (0..count).map(|_| generator.next(false)).collect();
            self.exchange(&mut connection, &requests)?;
        }
        Ok(())
    }

    fn exchange(&mut self, connection: &mut Connection, requests: &[Request]) -> Result<()> {
        let mut bytes = Vec::new();
        for request in requests {
            let xid = request.xid(&mut self.xid);
            bytes.extend(request_frame(xid, request.op, &request.body));
        }
        connection.send(&bytes)?;
        for request in requests {
            let reply = loop {
                let frame = connection.frame()?.ok_or("the server closed the connection")?;
                let reply = self.normal.reply(request.op, &frame)?;
                if reply.xid != op::XID_EVENT {
                    break reply;
                }
            };
            self.answered += 1;
            self.learn(request, &reply);
        }
        Ok(())
    }

    fn learn(&mut self, request: &Request, reply: &Reply) {
        self.view.last_zxid = self.view.last_zxid.max(reply.zxid);
        if reply.results.iter().any(|result| matches!(result, Outcome::Failed(_))) {
            return;
        }
        for (effect, outcome) in request.effects.iter().zip(&reply.results) {
            match (&effect.change, outcome) {
                (Change::Create { ephemeral, stored_owner }, Outcome::Created(path)) => {
                    self.model.insert(path, ephemeral.then_some(0), *stored_owner);
                }
                (Change::Delete(path), _) => self.model.remove(path),
                _ => {}
            }
        }
    }
}
