//! Lists of permissions that clients set, and whom they let in: written from the protocol, not from the server.

use std::net::Ipv4Addr;

use jute::data::{Acl, Id};
use jute::perms;

use crate::random::Random;

/// Where a client calls from, which is also who it is.
pub(crate) fn address_of(client: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, u8::try_from(client + 1).unwrap_or(u8::MAX))
}

/// Whether a list gives a client one of these permissions.
pub(crate) fn allows(acl: &[Acl], wanted: i32, client: usize) -> bool {
    let address = address_of(client).to_string();
    let is_meant = |id: &Id| match id.scheme.as_str() {
        "world" => true,
        "ip" => id.id == address,
        _ => false,
    };
    acl.is_empty() || acl.iter().any(|entry| entry.perms & wanted != 0 && is_meant(&entry.id))
}

/// A list under which the world goes on: whoever may not read or write may still change the list.
pub(super) fn draw(random: &mut Random) -> Vec<Acl> {
    let world = |perms| Acl { perms, id: Id { scheme: "world".to_owned(), id: "anyone".to_owned() } };
    let reader = address_of(random.index(12)).to_string();
    let reader = Acl { perms: perms::READ, id: Id { scheme: "ip".to_owned(), id: reader } };
    match random.below(10) {
        0..6 => tree::acl::open(),
        6 => vec![world(perms::ALL & !perms::READ)],
        7..9 => vec![world(perms::ALL & !perms::READ), reader],
        _ => vec![world(perms::READ | perms::ADMIN)],
    }
}
