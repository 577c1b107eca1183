//! The first bytes on an election connection: who dials, and where that server can be dialled.
//!
//! ```text
//! initial = version sender length addresses / sender        ; the short form is that of servers before 3.5
//! version = int64, -65536 (one address) or -65535 (several)
//! sender  = int64, server id; i64::MAX is an observer without id
//! length  = int32, 1..2048
//! addresses = address *( "|" address ), UTF-8
//! address = host ":" port / "[" IPv6 "]:" port
//! ```
//!
//! Example, server 3 at `a:3888`: `ffffffffffff0000 0000000000000003 00000006 613a33383838`.

use std::fmt;
use std::net::IpAddr;

use ensemble::{HostPort, ServerId};

/// One address follows.
pub(crate) const VERSION_1: i64 = -65536;
/// Several addresses may follow.
pub(crate) const VERSION_2: i64 = -65535;
/// Longest list of addresses, as the reference has it.
pub(crate) const ADDRESSES_BYTES_MAX: usize = 2048;
/// What an observer without an id calls itself.
pub(crate) const OBSERVER_WITHOUT_ID: ServerId = ServerId(i64::MAX);

/// Bytes of the first number, which decides what follows.
const FIRST: usize = 8;
/// Bytes before the addresses.
const HEAD: usize = 20;

/// What a server says of itself when it has dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialMessage {
    /// The id it claims.
    pub sender: ServerId,
    /// Where it says that it listens; wildcard addresses are left out.
    pub addresses: Vec<HostPort>,
}

/// How far the bytes got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The message needs so many bytes in all, or more.
    Needs(usize),
    /// The whole message, and how many bytes it took.
    Whole(InitialMessage, usize),
}

/// What is wrong with the first bytes; always the sender's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitialMessageError {
    /// A negative first number that is no version we know.
    Version(i64),
    /// The list of addresses cannot have this length.
    Length(i32),
    /// Not `host:port`.
    Address(String),
    /// Not a port.
    Port(String),
}

impl fmt::Display for InitialMessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "unknown protocol version {version}"),
            Self::Length(length) => {
                write!(f, "a list of addresses of {length} bytes, not 1 to {ADDRESSES_BYTES_MAX}")
            }
            Self::Address(text) => write!(f, "address {text:?} is not host:port"),
            Self::Port(text) => write!(f, "{text:?} is not a port"),
        }
    }
}

impl std::error::Error for InitialMessageError {}

impl InitialMessage {
    /// Reads the message from the front of `bytes`. Total: any bytes give progress or an error.
    ///
    /// # Errors
    /// [`InitialMessageError`] as soon as the bytes cannot become a message.
    // zk: QuorumCnxManager.handleConnection, QuorumCnxManager.InitialMessage.parse
    pub fn decode(bytes: &[u8]) -> Result<Progress, InitialMessageError> {
        let Some((first, rest)) = bytes.split_first_chunk() else { return Ok(Progress::Needs(FIRST)) };
        let version = i64::from_be_bytes(*first);
        if version >= 0 {
            let message = Self { sender: ServerId(version), addresses: Vec::new() };
            return Ok(Progress::Whole(message, FIRST));
        }
        if version != VERSION_1 && version != VERSION_2 {
            return Err(InitialMessageError::Version(version));
        }
        let Some((sender, rest)) = rest.split_first_chunk() else { return Ok(Progress::Needs(HEAD)) };
        let Some((length, rest)) = rest.split_first_chunk() else { return Ok(Progress::Needs(HEAD)) };
        let sender = ServerId(i64::from_be_bytes(*sender));
        let len = checked_len(i32::from_be_bytes(*length))?;
        let Some(text) = rest.get(..len) else { return Ok(Progress::Needs(HEAD + len)) };
        let addresses = addresses(&String::from_utf8_lossy(text))?;
        Ok(Progress::Whole(Self { sender, addresses }, HEAD + len))
    }

    /// The bytes to send after dialling: version 1 carries the first address only, and addresses that do not fit are
    /// left out.
    // zk: QuorumCnxManager.startConnection
    pub fn encode(&self, multi_address: bool) -> Vec<u8> {
        let (version, count) = if multi_address { (VERSION_2, usize::MAX) } else { (VERSION_1, 1) };
        let mut text = String::new();
        for address in self.addresses.iter().take(count) {
            let address = address.to_string();
            let separator = if text.is_empty() { "" } else { "|" };
            if text.len() + separator.len() + address.len() > ADDRESSES_BYTES_MAX {
                break;
            }
            text.push_str(separator);
            text.push_str(&address);
        }
        let len = i32::try_from(text.len()).expect("invariant: at most ADDRESSES_BYTES_MAX");
        let mut bytes = Vec::with_capacity(HEAD + text.len());
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.extend_from_slice(&self.sender.0.to_be_bytes());
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }
}

fn checked_len(length: i32) -> Result<usize, InitialMessageError> {
    match usize::try_from(length) {
        Ok(len) if (1..=ADDRESSES_BYTES_MAX).contains(&len) => Ok(len),
        _ => Err(InitialMessageError::Length(length)),
    }
}

fn addresses(text: &str) -> Result<Vec<HostPort>, InitialMessageError> {
    let mut addresses = Vec::new();
    for part in java_split(text, '|') {
        let address = address(part)?;
        let is_wildcard = address.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        if !is_wildcard {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// One address. The character between `]` and the port is any, as in the reference.
// zk: ConfigUtils.getHostAndPort
fn address(text: &str) -> Result<HostPort, InitialMessageError> {
    let bad = || InitialMessageError::Address(text.to_owned());
    let (host, ports) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
            let rest = rest.strip_prefix(|any: char| any.len_utf16() == 1).ok_or_else(bad)?;
            (host, java_split(rest, ':'))
        }
        None => {
            let mut parts = java_split(text, ':');
            if parts.is_empty() {
                return Err(bad());
            }
            (parts.remove(0), parts)
        }
    };
    // The reference dials its own loopback address for an empty host; there is no such server.
    let [port] = ports.as_slice() else { return Err(bad()) };
    if host.is_empty() || port.is_empty() {
        return Err(bad());
    }
    let port = port.parse().map_err(|_| InitialMessageError::Port((*port).to_owned()))?;
    Ok(HostPort { host: host.to_owned(), port })
}

/// Parts between separators; empty ones at the end do not count.
fn java_split(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_port(host: &str, port: u16) -> HostPort {
        HostPort { host: host.to_owned(), port }
    }

    fn raw(version: i64, sender: i64, length: i32, text: &[u8]) -> Vec<u8> {
        let mut bytes = version.to_be_bytes().to_vec();
        bytes.extend_from_slice(&sender.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(text);
        bytes
    }

    fn of_text(text: &str) -> Result<Vec<HostPort>, InitialMessageError> {
        let bytes = raw(VERSION_1, 3, i32::try_from(text.len()).unwrap(), text.as_bytes());
        match InitialMessage::decode(&bytes)? {
            Progress::Whole(message, len) => {
                assert_eq!((message.sender, len), (ServerId(3), bytes.len()));
                Ok(message.addresses)
            }
            Progress::Needs(len) => panic!("{text:?} needs {len} bytes"),
        }
    }

    #[test]
    fn address_lists_are_read_as_the_reference_reads_them() {
        let rows: [(&str, &[HostPort]); 10] = [
            ("a:3888", &[host_port("a", 3888)]),
            ("10.0.0.1:1|b:2", &[host_port("10.0.0.1", 1), host_port("b", 2)]),
            ("[::1]:3888", &[host_port("::1", 3888)]),
            ("[fe80::1]:1|[::2]:2||", &[host_port("fe80::1", 1), host_port("::2", 2)]),
            ("a:3888:", &[host_port("a", 3888)]),
            ("a:+1", &[host_port("a", 1)]),
            ("0.0.0.0:3888", &[]),
            ("[::]:3888|a:1", &[host_port("a", 1)]),
            ("|", &[]),
            ("[::1]x7", &[host_port("::1", 7)]),
        ];
        for (text, expected) in rows {
            assert_eq!(of_text(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bad_addresses_are_named() {
        for text in
            ["a", "a:1:2", ":", ":1", "|a:1", "[::1", "[::1]", "[::1]:", "[::1]:1:2", "a|b:1", "[]:1", "::1"]
        {
            assert_eq!(of_text(text), Err(InitialMessageError::Address(first_bad(text))), "{text}");
        }
        for (text, port) in
            [("a:x", "x"), ("a:-1", "-1"), ("a:65536", "65536"), ("a: 1", " 1"), ("a:1|b:y", "y")]
        {
            assert_eq!(of_text(text), Err(InitialMessageError::Port(port.to_owned())), "{text}");
        }
    }

    fn first_bad(text: &str) -> String {
        text.split('|').next().unwrap().to_owned()
    }

    #[test]
    fn lengths_are_checked_before_anything_is_read() {
        for length in [0, -1, 2049, i32::MIN, i32::MAX] {
            let bytes = raw(VERSION_2, 3, length, b"");
            assert_eq!(InitialMessage::decode(&bytes), Err(InitialMessageError::Length(length)));
        }
        assert_eq!(InitialMessage::decode(&raw(VERSION_2, 3, 2048, b"")), Ok(Progress::Needs(2068)));
    }

    #[test]
    fn versions_that_nobody_has_are_refused_by_their_first_eight_bytes() {
        for version in [-1, -2, -65534, -65537, i64::MIN] {
            let bytes = version.to_be_bytes();
            assert_eq!(InitialMessage::decode(&bytes), Err(InitialMessageError::Version(version)));
        }
    }

    #[test]
    fn a_bare_id_is_a_whole_message() {
        for sender in [0, 3, i64::MAX] {
            let message = InitialMessage { sender: ServerId(sender), addresses: Vec::new() };
            let mut bytes = sender.to_be_bytes().to_vec();
            bytes.extend_from_slice(b"the next frame");
            assert_eq!(InitialMessage::decode(&bytes), Ok(Progress::Whole(message, 8)));
        }
    }

    #[test]
    fn every_prefix_says_how_much_is_missing() {
        let bytes = raw(VERSION_1, 3, 6, b"a:3888");
        for len in 0..bytes.len() {
            let needs = match len {
                0..8 => 8,
                8..20 => 20,
                _ => 26,
            };
            assert_eq!(InitialMessage::decode(&bytes[..len]), Ok(Progress::Needs(needs)), "{len}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let addresses = vec![host_port("::1", 3888), host_port("b.example", 1)];
        let message = InitialMessage { sender: OBSERVER_WITHOUT_ID, addresses };
        let bytes = message.encode(true);
        assert_eq!(InitialMessage::decode(&bytes), Ok(Progress::Whole(message.clone(), bytes.len())));
        let one = InitialMessage { addresses: message.addresses[..1].to_vec(), ..message.clone() };
        let bytes = message.encode(false);
        assert_eq!(bytes, raw(VERSION_1, i64::MAX, 10, b"[::1]:3888"));
        assert_eq!(InitialMessage::decode(&bytes), Ok(Progress::Whole(one, bytes.len())));
    }

    #[test]
    fn a_list_that_is_too_long_is_cut_between_addresses() {
        let long = host_port(&"a".repeat(1000), 1);
        let message = InitialMessage { sender: ServerId(1), addresses: vec![long; 3] };
        let bytes = message.encode(true);
        assert!(bytes.len() <= HEAD + ADDRESSES_BYTES_MAX);
        let Ok(Progress::Whole(read, _)) = InitialMessage::decode(&bytes) else { panic!("unreadable") };
        assert_eq!(read.addresses.len(), 2);
    }

    #[test]
    fn names_that_are_not_utf8_are_names() {
        let Ok(Progress::Whole(message, _)) = InitialMessage::decode(&raw(VERSION_1, 3, 3, b"\xff:1")) else {
            panic!("refused")
        };
        assert_eq!(message.addresses, [host_port("\u{fffd}", 1)]);
    }
}
