use alloc::vec;

use super::*;

fn id(scheme: &str, id: &str) -> Id {
    Id { scheme: scheme.into(), id: id.into() }
}

fn entry(perms: i32, scheme: &str, name: &str) -> Acl {
    Acl { perms, id: id(scheme, name) }
}

fn settings() -> AclSettings {
    let mut settings = AclSettings::with_default_providers();
    settings.providers.push(("sasl".into(), Provider::Sasl { any_user: Some("all".into()) }));
    settings.providers.push(("x509".into(), Provider::X509 { super_user: Some("CN=root".into()) }));
    settings.providers.push(("key".into(), Provider::Key));
    settings.providers.push(("ensemble".into(), Provider::Ensemble));
    settings
}

#[test]
fn one_matching_entry_is_enough() {
    for (entries, needed, identities, allowed) in [
        (vec![], perms::ADMIN, vec![], true),
        (vec![entry(1, "world", "anyone")], perms::READ, vec![], true),
        (vec![entry(1, "world", "anyone")], perms::WRITE, vec![], false),
        (vec![entry(1, "world", "anyone")], perms::WRITE, vec![id("super", "")], true),
        (vec![entry(1, "world", "other")], perms::READ, vec![id("world", "other")], false),
        (vec![entry(31, "digest", "a:x")], perms::READ, vec![id("digest", "a:x")], true),
        (vec![entry(31, "digest", "a:x")], perms::READ, vec![id("digest", "a:y")], false),
        (vec![entry(31, "digest", "a:x")], perms::READ, vec![id("sasl", "a:x")], false),
        (vec![entry(2, "digest", "a:x")], perms::READ | perms::WRITE, vec![id("digest", "a:x")], true),
        (vec![entry(31, "ip", "10.0.0.0/8")], perms::READ, vec![id("ip", "10.1.2.3")], true),
        (vec![entry(31, "sasl", "u")], perms::READ, vec![id("sasl", "super")], true),
        (vec![entry(31, "sasl", "all")], perms::READ, vec![id("sasl", "u")], true),
        (vec![entry(31, "x509", "CN=a")], perms::READ, vec![id("x509", "CN=root")], true),
        (vec![entry(31, "ensemble", "e")], perms::READ, vec![id("ensemble", "e")], false),
        (vec![entry(31, "unknown", "e")], perms::READ, vec![id("unknown", "e")], false),
        (vec![entry(1, "digest", "a:x"), entry(1, "key", "k")], perms::READ, vec![id("key", "k")], true),
    ] {
        assert_eq!(
            check(Some(&entries), needed, &identities, &settings()),
            allowed,
            "{entries:?} {identities:?}"
        );
        let all = AclSettings { skip_acl: true, ..settings() };
        assert!(check(Some(&entries), needed, &identities, &all));
    }
    assert!(check(None, perms::ADMIN, &[], &settings()));
}

#[test]
fn a_list_is_fixed_up_before_it_is_stored() {
    let me = [id("ip", "10.0.0.1"), id("digest", "a:x"), id("sasl", "u@R")];
    let world = entry(1, "world", "anyone");
    for (wanted, stored) in [
        (vec![], Err(InvalidAcl)),
        (vec![world.clone(), world.clone()], Ok(vec![world.clone()])),
        (vec![entry(1, "auth", "ignored")], Ok(vec![entry(1, "digest", "a:x"), entry(1, "sasl", "u@R")])),
        (vec![entry(1, "world", "other")], Err(InvalidAcl)),
        (vec![entry(1, "ip", "10.0.0.0/8")], Ok(vec![entry(1, "ip", "10.0.0.0/8")])),
        (vec![entry(1, "ip", "host")], Err(InvalidAcl)),
        (vec![entry(1, "digest", "a")], Err(InvalidAcl)),
        (vec![world.clone(), entry(1, "unknown", "a")], Err(InvalidAcl)),
        (vec![entry(-1, "digest", "a:b")], Ok(vec![entry(-1, "digest", "a:b")])),
    ] {
        assert_eq!(fix_up(Some(&wanted), &me, &settings()), stored, "{wanted:?}");
    }
    assert_eq!(fix_up(None, &me, &settings()), Err(InvalidAcl));
    assert_eq!(fix_up(Some(&[entry(1, "auth", "")]), &me[..1], &settings()), Err(InvalidAcl));
}

#[test]
fn each_scheme_has_its_own_identities() {
    let x509 = Provider::X509 { super_user: None };
    let sasl = Provider::Sasl { any_user: None };
    for (provider, id, valid) in [
        (&Provider::Digest, "a:b", true),
        (&Provider::Digest, ":b", true),
        (&Provider::Digest, "a:b::", true),
        (&Provider::Digest, "a:", false),
        (&Provider::Digest, "a:b:c", false),
        (&Provider::Digest, "", false),
        (&sasl, "user", true),
        (&sasl, "user/host@REALM", true),
        (&sasl, "user/host/x@REALM", false),
        (&sasl, "user@A@B", false),
        (&sasl, "user/host", true),
        (&x509, "CN=a,OU=b+O=c", true),
        (&x509, "CN=\"a,b\"", true),
        (&x509, "nonsense", false),
        (&Provider::Key, "", true),
        (&Provider::Ensemble, "a", false),
    ] {
        assert_eq!(provider.is_valid(id), valid, "{provider:?} {id:?}");
    }
}
