//! Access control: who may do what to a znode.

mod ip;
mod provider;
mod table;

use alloc::{string::String, sync::Arc, vec::Vec};

use jute::data::{Acl, Id};
use jute::perms;

pub use provider::Provider;
pub(crate) use table::{AclId, AclTable, OPEN};

/// An access control list as the state keeps it, shared between znodes.
pub type AclList = Arc<[Acl]>;

/// Which checks are made and which schemes exist.
#[derive(Debug, Clone, Default)]
pub struct AclSettings {
    /// Nothing is checked (`skipACL=yes`).
    pub skip_acl: bool,
    /// The schemes that exist, by name, beside `world`, `auth` and `super`.
    pub providers: Vec<(String, Provider)>,
}

impl AclSettings {
    /// The settings of a server without any: `ip` and `digest` exist.
    pub fn with_default_providers() -> Self {
        let providers = [("ip", Provider::Ip), ("digest", Provider::Digest)];
        Self { skip_acl: false, providers: providers.map(|(name, provider)| (name.into(), provider)).into() }
    }

    /// The provider of a scheme.
    pub fn provider(&self, scheme: &str) -> Option<&Provider> {
        self.providers.iter().find(|(name, _)| name == scheme).map(|(_, provider)| provider)
    }
}

/// An ACL that cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidAcl;

/// Whether somebody with these identities may do what needs one of the permissions in `needed`.
/// An absent and an empty list allow everything.
// zk: ZooKeeperServer.checkACL
pub fn check(acl: Option<&[Acl]>, needed: i32, identities: &[Id], settings: &AclSettings) -> bool {
    let entries = acl.unwrap_or_default();
    if settings.skip_acl || entries.is_empty() || identities.iter().any(|id| id.scheme == "super") {
        return true;
    }
    entries.iter().filter(|entry| entry.perms & needed != 0).any(|entry| {
        is_anyone(&entry.id)
            || settings.provider(&entry.id.scheme).is_some_and(|provider| {
                identities
                    .iter()
                    .any(|id| id.scheme == entry.id.scheme && provider.matches(&id.id, &entry.id.id))
            })
    })
}

/// The list that is stored for one that a client asks for: without duplicates, with `auth` replaced by the
/// client's own identities, and only with schemes and identities that exist.
// zk: PrepRequestProcessor.fixupACL
pub fn fix_up(
    wanted: Option<&[Acl]>,
    identities: &[Id],
    settings: &AclSettings,
) -> Result<Vec<Acl>, InvalidAcl> {
    let mut unique: Vec<&Acl> = Vec::new();
    for entry in wanted.unwrap_or_default() {
        if !unique.contains(&entry) {
            unique.push(entry);
        }
    }
    if unique.is_empty() {
        return Err(InvalidAcl);
    }
    let mut stored = Vec::with_capacity(unique.len());
    for entry in unique {
        match entry.id.scheme.as_str() {
            "auth" => {
                let own = authenticated(identities, settings);
                let before = stored.len();
                stored.extend(own.map(|id| Acl { perms: entry.perms, id: id.clone() }));
                if stored.len() == before {
                    return Err(InvalidAcl);
                }
            }
            _ if is_anyone(&entry.id) => stored.push(entry.clone()),
            scheme => {
                let provider = settings.provider(scheme).ok_or(InvalidAcl)?;
                provider.is_valid(&entry.id.id).then_some(()).ok_or(InvalidAcl)?;
                stored.push(entry.clone());
            }
        }
    }
    Ok(stored)
}

/// The identities that stand for somebody rather than for an address.
fn authenticated<'a>(identities: &'a [Id], settings: &'a AclSettings) -> impl Iterator<Item = &'a Id> {
    identities.iter().filter(|id| settings.provider(&id.scheme).is_some_and(Provider::is_authenticated))
}

/// Everybody may do everything.
// zk: ZooDefs.Ids.OPEN_ACL_UNSAFE
pub fn open() -> Vec<Acl> {
    Vec::from([of_anyone(perms::ALL)])
}

/// Everybody may read.
// zk: ZooDefs.Ids.READ_ACL_UNSAFE
pub fn read_only() -> Vec<Acl> {
    Vec::from([of_anyone(perms::READ)])
}

pub(crate) fn of_anyone(perms: i32) -> Acl {
    Acl { perms, id: Id { scheme: "world".into(), id: "anyone".into() } }
}

fn is_anyone(id: &Id) -> bool {
    id.scheme == "world" && id.id == "anyone"
}

#[cfg(test)]
mod tests;
