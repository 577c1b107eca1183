//! A four-letter word and its answer.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::answers::Told;

/// Longest answer that is read.
const ANSWER_MAX: u64 = 4 << 20;

/// Asks a server all that the table needs; none when it does not answer `srvr`, which every server does.
pub(super) fn ask(address: &str, within: Duration) -> Option<Told> {
    let until = Instant::now() + within;
    let srvr = word(address, "srvr", until).ok().filter(|answer| !answer.is_empty())?;
    let more = |name| word(address, name, until).unwrap_or_default();
    Some(Told::read(&srvr, &more("mntr"), &more("conf")))
}

fn word(address: &str, word: &str, until: Instant) -> io::Result<String> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no address");
    for socket in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&socket, left(until)?) {
            Ok(stream) => return exchange(stream, word, until),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn exchange(mut stream: TcpStream, word: &str, until: Instant) -> io::Result<String> {
    stream.set_write_timeout(Some(left(until)?))?;
    stream.write_all(word.as_bytes())?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while (answer.len() as u64) < ANSWER_MAX {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut part)? {
            0 => break,
            len => answer.extend(part.iter().take(len)),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
