//! Texts that clients and operators write: paths, ACL identities, quotas, times to live.

use jute::data::{Acl, Id};
use jute::perms;
use tree::acl::{AclSettings, Provider, check, fix_up};
use tree::ephemeral_owner::{OwnerKind, kind, of_ttl};
use tree::quota::Stats;
use tree::{StateSettings, path};

use crate::heap::in_proportion;

/// The first byte chooses what the rest is read as.
pub fn text(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    in_proportion(rest, || match choice % 4 {
        0 => paths(&String::from_utf8_lossy(rest)),
        1 => identities(&String::from_utf8_lossy(rest)),
        2 => quotas(rest),
        _ => owners(rest),
    });
}

/// Server and client agree on what is a path, and a valid one survives being taken apart.
fn paths(text: &str) {
    let valid = path::validate(text).is_ok();
    assert_eq!(client::validate_path(text).is_ok(), valid, "server and client disagree on {text:?}");
    if valid && text != "/" {
        let (parent, name) = path::split(text).expect("a valid path has a slash");
        assert!(!name.is_empty());
        assert!(parent.is_empty() || path::validate(parent).is_ok(), "the parent of {text:?} is not valid");
        assert!(path::top_namespace(text).is_some());
        assert!(path::validate(&path::sequential(text, -1)).is_ok());
    }
}

/// `identity\0expression`: an address that an ACL names in full is meant by it; what is fixed up once stays as it is.
fn identities(text: &str) {
    let (identity, expression) = text.split_once('\0').unwrap_or((text, text));
    let settings = AclSettings::with_default_providers();
    for (scheme, provider) in [("ip", Provider::Ip), ("digest", Provider::Digest)] {
        let caller = [Id { scheme: scheme.to_owned(), id: identity.to_owned() }];
        let id = Id { scheme: scheme.to_owned(), id: expression.to_owned() };
        let acl = [Acl { perms: perms::READ, id }];
        let allowed = check(Some(&acl), perms::READ, &caller, &settings);
        assert_eq!(allowed, provider.matches(identity, expression));
        assert!(!check(Some(&acl), perms::WRITE, &caller, &settings), "a permission out of nowhere");
        if provider.is_valid(identity) && !identity.contains('/') {
            assert!(provider.matches(identity, identity), "{identity:?} is not itself");
        }
        match fix_up(Some(&acl), &caller, &settings) {
            Ok(fixed) => assert_eq!(fix_up(Some(&fixed), &caller, &settings), Ok(fixed)),
            Err(_) => assert!(!provider.is_valid(expression)),
        }
    }
}

/// What is written is read back, and its own text does not change any more.
fn quotas(text: &[u8]) {
    let Some(stats) = Stats::parse(text) else { return };
    let written = stats.format();
    if let Some(again) = Stats::parse(written.as_bytes()) {
        assert_eq!(again.format(), written);
        assert_eq!(again.get("count"), stats.get("count"));
        assert_eq!(again.get("bytes"), stats.get("bytes"));
    }
}

/// Every owner has one kind, and a time to live survives being an owner.
fn owners(bytes: &[u8]) {
    let Some(number) = bytes.first_chunk().map(|chunk| i64::from_be_bytes(*chunk)) else { return };
    for (extended, emulated) in [(false, false), (true, false), (true, true)] {
        let settings = StateSettings {
            digest_enabled: true,
            extended_types_enabled: extended,
            emulate_353_ttl: emulated,
        };
        let known = kind(number, &settings);
        assert!(known.is_ok() || extended, "an owner without a kind");
        if let Some(owner) = of_ttl(number) {
            let expected = if extended { OwnerKind::Ttl { ttl_ms: number } } else { OwnerKind::Session };
            assert_eq!(kind(owner, &settings), Ok(expected));
        }
    }
}
