//! Who a client is: what its address gives, and what credentials add.
//!
//! Which schemes exist stands in the ACL settings; an auth packet of `sasl` or `x509` fails, as those log in elsewhere.

mod digest;
mod ensemble;
mod ip;
mod key;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use jute::{data::Acl, data::Id, perms};
use tree::State;
use tree::acl::{self, Provider};

use crate::request::Identities;
use crate::settings::PipelineSettings;

pub use digest::{digest_id, generate as generate_digest};
pub use ip::host_address;

/// Scheme of the address.
pub const IP: &str = "ip";
/// Scheme of user and password.
pub const DIGEST: &str = "digest";
/// Scheme of the user that may do everything.
pub const SUPER: &str = "super";
/// Scheme of the reference's sample provider.
pub const KEY: &str = "key";

/// What came of an auth packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthOutcome {
    /// Reply OK with zxid 0.
    Ok,
    /// Reply AUTHFAILED with zxid 0, then close.
    Failed,
    /// Close without a reply, so that the client tries another server.
    Closed,
}

/// The identities of a new connection.
pub fn identities_of(remote: IpAddr) -> Identities {
    Identities::from([Id { scheme: String::from(IP), id: host_address(remote) }])
}

/// Handles an auth packet; adds what the client has become to `identities`, each once.
// zk: ZooKeeperServer.processPacket, ServerCnxn.addAuthInfo
pub fn handle_authentication(
    settings: &PipelineSettings,
    scheme: &str,
    credentials: Option<&[u8]>,
    remote: IpAddr,
    identities: &mut Identities,
    state: &State,
) -> AuthOutcome {
    let auth = &settings.auth;
    let Some(provider) = settings.acl.provider(scheme) else { return AuthOutcome::Failed };
    let shown = match provider {
        Provider::Ip => Vec::from([Id { scheme: String::from(IP), id: host_address(remote) }]),
        Provider::Digest => {
            credentials.map(|credentials| digest::identities(auth, credentials)).unwrap_or_default()
        }
        Provider::Key => {
            credentials.and_then(|credentials| key::identity(state, credentials)).into_iter().collect()
        }
        Provider::Ensemble => return ensemble::handle(auth, credentials),
        Provider::Sasl { .. } | Provider::X509 { .. } => Vec::new(),
    };
    let is_accepted = !shown.is_empty() && shown.into_iter().all(|id| add(settings, identities, id));
    if is_accepted { AuthOutcome::Ok } else { AuthOutcome::Failed }
}

/// Whether a connection may ask for anything beside auth and sasl; if not: reply SESSIONCLOSEDREQUIRESASLAUTH, close.
// zk: AuthenticationHelper.enforceAuthentication
pub fn is_enough(settings: &PipelineSettings, identities: &[Id]) -> bool {
    let Some(schemes) = &settings.auth.enforce else { return true };
    identities.iter().any(|id| schemes.contains(&id.scheme))
}

/// Whether the identities may do what `wanted` says, any bit of it, to a znode with this list.
// zk: ZooKeeperServer.checkACL
pub fn is_allowed(settings: &PipelineSettings, acl: &[Acl], wanted: i32, identities: &[Id]) -> bool {
    acl::check(Some(acl), wanted, identities, &settings.acl)
}

/// Whether the identities may read a znode with this list; without a list everybody may.
pub fn may_read(settings: &PipelineSettings, acl: Option<&[Acl]>, identities: &[Id]) -> bool {
    acl::check(acl, perms::READ, identities, &settings.acl)
}

/// Adds an identity unless it is there; false when the connection has too many.
// diverges(identities-max): the reference keeps as many, and as long ones, as a client shows
fn add(settings: &PipelineSettings, identities: &mut Identities, id: Id) -> bool {
    if identities.contains(&id) {
        return true;
    }
    let len: usize = identities.iter().chain([&id]).map(|id| id.scheme.len() + id.id.len()).sum();
    if identities.len() == IDENTITIES_MAX || len > settings.jute_max_buffer {
        return false;
    }
    *identities = identities.iter().cloned().chain([id]).collect();
    true
}

/// Identities of one connection; each check of an ACL looks at all of them.
const IDENTITIES_MAX: usize = 1000;

#[cfg(test)]
mod tests;
