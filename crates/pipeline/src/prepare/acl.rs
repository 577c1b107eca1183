use alloc::string::String;
use alloc::vec::Vec;

use jute::ErrorCode;
use jute::data::Acl;

use super::{Asker, Prepare};

/// Entries that a list may have, and that it may come to once `auth` stands for all the client's identities.
///
/// A list is compared entry by entry with itself; a frame of the greatest size would keep the server busy for minutes.
const ENTRIES_MAX: usize = 10_000;

impl Prepare<'_> {
    // zk: PrepRequestProcessor.fixupACL
    pub(super) fn fix_acl(&self, asker: &Asker<'_>, wanted: Option<&[Acl]>) -> Result<Vec<Acl>, ErrorCode> {
        let entries = wanted.unwrap_or_default();
        let for_auth = entries.iter().filter(|entry| entry.id.scheme == "auth").count();
        let expanded = entries.len().saturating_add(for_auth.saturating_mul(asker.identities.len()));
        // diverges(acl-entries-max): the reference takes any number of entries
        if expanded > ENTRIES_MAX {
            return Err(ErrorCode::InvalidAcl);
        }
        tree::acl::fix_up(wanted, asker.identities, &self.settings.acl).map_err(|_| ErrorCode::InvalidAcl)
    }
}

/// Makes of an entry what it is once it was in the log: a character beyond the basic plane is written as two surrogates,
/// and each is read as a replacement character.
///
/// The parts of a multi go through the log's form before they are applied, other transactions only at a restart.
// zk: PrepRequestProcessor.pRequestHelper, DataTree.processTxn: the bytes of a part
pub(super) fn as_logged(entry: &mut Acl) {
    const BASIC_PLANE_END: char = '\u{ffff}';
    let id = &mut entry.id.id;
    if id.chars().any(|c| c > BASIC_PLANE_END) {
        *id = id.chars().fold(String::new(), |mut read, c| {
            match c > BASIC_PLANE_END {
                true => read.push_str("\u{fffd}\u{fffd}"),
                false => read.push(c),
            }
            read
        });
    }
}
