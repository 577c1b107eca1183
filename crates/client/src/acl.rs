//! The access lists that most callers want.

use jute::data::{Acl, Id};
use jute::perms;

/// Everybody may do everything.
pub fn open_acl() -> Vec<Acl> {
    vec![entry(perms::ALL, "world", "anyone")]
}

/// Everybody may read.
pub fn read_acl() -> Vec<Acl> {
    vec![entry(perms::READ, "world", "anyone")]
}

/// Whoever creates the node, by the identities of the connection, may do everything.
pub fn creator_all_acl() -> Vec<Acl> {
    vec![entry(perms::ALL, "auth", "")]
}

fn entry(perms: i32, scheme: &str, id: &str) -> Acl {
    Acl { perms, id: Id { scheme: scheme.to_owned(), id: id.to_owned() } }
}
