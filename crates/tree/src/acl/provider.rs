use alloc::string::String;

use super::ip;

/// How a scheme compares identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// Addresses and prefixes of addresses.
    Ip,
    /// `user:digest`.
    Digest,
    /// Names from a SASL login.
    Sasl {
        /// A name in an ACL that every SASL identity matches (`letAnySaslUserDoX`).
        any_user: Option<String>,
    },
    /// Subjects of client certificates.
    X509 {
        /// The subject that matches every ACL of this scheme.
        super_user: Option<String>,
    },
    /// Compared with a key kept in a znode.
    Key,
    /// Says which ensemble a client wants; grants nothing.
    Ensemble,
}

impl Provider {
    /// Whether somebody with `identity` is meant by `expression` in an ACL of the same scheme.
    // zk: the matches method of each AuthenticationProvider
    pub fn matches(&self, identity: &str, expression: &str) -> bool {
        match self {
            Self::Ip => ip::matches(identity, expression),
            Self::Digest | Self::Key => identity == expression,
            Self::Sasl { any_user } => {
                identity == "super" || identity == expression || any_user.as_deref() == Some(expression)
            }
            Self::X509 { super_user } => identity == expression || super_user.as_deref() == Some(identity),
            Self::Ensemble => false,
        }
    }

    /// Whether an ACL may hold this identity.
    // zk: the isValid method of each AuthenticationProvider
    pub fn is_valid(&self, id: &str) -> bool {
        match self {
            Self::Ip => ip::is_valid(id),
            Self::Digest => is_user_and_digest(id),
            Self::Sasl { .. } => is_kerberos_name(id),
            Self::X509 { .. } => is_distinguished_name(id),
            Self::Key => true,
            Self::Ensemble => false,
        }
    }

    /// Whether an identity of this scheme stands for somebody, so that `auth` in an ACL means it.
    // zk: the isAuthenticated method of each AuthenticationProvider
    pub fn is_authenticated(&self) -> bool {
        match self {
            Self::Digest | Self::Sasl { .. } | Self::X509 { .. } | Self::Key => true,
            Self::Ip | Self::Ensemble => false,
        }
    }
}

/// Two parts, not counting empty ones at the end.
fn is_user_and_digest(id: &str) -> bool {
    id.trim_end_matches(':').split(':').count() == 2
}

/// `name`, `name@realm` or `name/host@realm`.
// zk: KerberosName.nameParser
fn is_kerberos_name(name: &str) -> bool {
    match name.split_once('@') {
        None => true,
        Some((principal, realm)) => {
            !realm.contains(['/', '@']) && principal.bytes().filter(|byte| *byte == b'/').count() <= 1
        }
    }
}

/// Pairs of a type and a value, separated by commas, semicolons or plus signs; or nothing at all.
fn is_distinguished_name(name: &str) -> bool {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let parts = name.split(|character: char| {
        let ends = !is_quoted && !is_escaped && matches!(character, ',' | ';' | '+');
        is_quoted ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends
    });
    let all_pairs = parts.into_iter().all(|part| {
        part.split_once('=').is_some_and(|(key, _)| {
            let key = key.trim();
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ' '))
        })
    });
    name.trim().is_empty() || all_pairs
}
