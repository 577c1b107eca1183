//! The connect string: `host:port,host:port/chroot`.

use std::fmt;

use crate::path;

/// The port of a host that names none.
pub const DEFAULT_PORT: u16 = 2181;

/// Where to connect to, and the node that serves as the root.
///
/// * at least one host;
/// * `chroot` is a valid path other than `/`, or absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectString {
    hosts: Vec<Host>,
    chroot: Option<String>,
}

/// One host of a connect string, resolved anew at each attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name or address, without brackets.
    pub name: String,
    /// TCP port.
    pub port: u16,
}

/// Why a connect string was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidAddress {
    /// The offending part.
    pub part: String,
    /// What was expected instead.
    pub why: String,
}

impl ConnectString {
    /// Parses `host[:port][,host[:port]...][/chroot]`; IPv6 addresses stand in brackets.
    // zk: ConnectStringParser: defaults and chroot rules
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let (hosts, chroot) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let hosts: Vec<Host> = hosts
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .map(Host::parse)
            .collect::<Result<_, _>>()?;
        if hosts.is_empty() {
            return Err(InvalidAddress::new(text, "expected host:port"));
        }
        Ok(Self { hosts, chroot: parse_chroot(chroot)? })
    }

    /// The hosts in the order they were written.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The node that serves as the root, if not `/`.
    pub fn chroot(&self) -> Option<&str> {
        self.chroot.as_deref()
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (name, tail) =
                    rest.split_once(']').ok_or_else(|| InvalidAddress::new(text, "expected a closing ]"))?;
                (name, tail.strip_prefix(':').unwrap_or(tail))
            }
            None => text.rsplit_once(':').unwrap_or((text, "")),
        };
        let port = match port {
            "" => DEFAULT_PORT,
            digits => digits
                .parse()
                .map_err(|_| InvalidAddress::new(text, "expected a port number from 0 to 65535"))?,
        };
        Ok(Self { name: name.to_owned(), port })
    }
}

impl InvalidAddress {
    fn new(part: &str, why: &str) -> Self {
        Self { part: part.to_owned(), why: why.to_owned() }
    }
}

fn parse_chroot(text: &str) -> Result<Option<String>, InvalidAddress> {
    if text.is_empty() || text == "/" {
        return Ok(None);
    }
    path::validate(text).map_err(|why| InvalidAddress::new(text, &why.to_string()))?;
    Ok(Some(text.to_owned()))
}

impl fmt::Display for ConnectString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, host) in self.hosts.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{host}")?;
        }
        f.write_str(self.chroot.as_deref().unwrap_or(""))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad server address \"{}\": {}", self.part, self.why)
    }
}

impl std::error::Error for InvalidAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted() {
        let rows = [
            ("a", "a:2181"),
            ("a:", "a:2181"),
            ("a:1,b", "a:1,b:2181"),
            ("a:1, b:2/", "a:1,b:2"),
            ("a:1/x/y", "a:1/x/y"),
            ("[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:2181"),
        ];
        for (text, expected) in rows {
            assert_eq!(ConnectString::parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for text in ["", "/x", "a:x", "a:70000", "[::1", "a:1/x/", "a:1//x"] {
            assert!(ConnectString::parse(text).is_err(), "{text}");
        }
    }
}
