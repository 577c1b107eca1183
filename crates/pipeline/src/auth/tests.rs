extern crate std;

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::settings::DigestAlgorithm;

fn id(scheme: &str, id: &str) -> Id {
    Id { scheme: scheme.into(), id: id.into() }
}

#[test]
fn digests_are_those_of_the_reference() {
    for (algorithm, expected) in [
        (DigestAlgorithm::Sha1, "super:D/InIHSb7yEEbrWz8b9l71RjZJU="),
        (DigestAlgorithm::Sha256, "super:wjySwxg860UATFtciuZ1lpzrCHrPeov6SPu/ZD56uig="),
    ] {
        assert_eq!(generate_digest(algorithm, "super:test"), expected);
    }
    assert_eq!(generate_digest(DigestAlgorithm::Sha1, "nobody"), "nobody:Nl7BemdfMnO8FsdHYa2D8s8HxZo=");
}

#[test]
fn addresses_are_written_as_java_writes_them() {
    for (address, expected) in [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "0:0:0:0:0:0:0:1"),
        ("2001:db8::ff00:42", "2001:db8:0:0:0:0:ff00:42"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
    ] {
        assert_eq!(host_address(address.parse().unwrap()), expected);
    }
}

#[test]
fn an_auth_packet_adds_each_identity_once() {
    let mut settings = PipelineSettings::default();
    settings.auth.super_digest = Some("super:D/InIHSb7yEEbrWz8b9l71RjZJU=".into());
    let state = State::new(tree::StateSettings::default());
    let remote: IpAddr = "127.0.0.1".parse().unwrap();
    let mut identities = identities_of(remote);
    let mut show = |scheme: &str, credentials: Option<&[u8]>| {
        let outcome = handle_authentication(&settings, scheme, credentials, remote, &mut identities, &state);
        let schemes: Vec<_> = identities.iter().map(|id| id.scheme.clone()).collect();
        (outcome, schemes.join(" "))
    };
    for (scheme, credentials, outcome, schemes) in [
        ("ip", None, AuthOutcome::Ok, "ip"),
        ("digest", Some(&b"u:p"[..]), AuthOutcome::Ok, "ip digest"),
        ("digest", Some(b"u:p"), AuthOutcome::Ok, "ip digest"),
        ("digest", None, AuthOutcome::Failed, "ip digest"),
        ("sasl", Some(b""), AuthOutcome::Failed, "ip digest"),
        ("ensemble", Some(b""), AuthOutcome::Failed, "ip digest"),
        ("digest", Some(b"super:test"), AuthOutcome::Ok, "ip digest super digest"),
    ] {
        assert_eq!(show(scheme, credentials), (outcome, schemes.into()), "{scheme} {credentials:?}");
    }
}

#[test]
fn a_wrong_ensemble_closes_the_connection() {
    let mut settings = PipelineSettings::default();
    settings.acl.providers.push(("ensemble".into(), Provider::Ensemble));
    let state = State::new(tree::StateSettings::default());
    let remote: IpAddr = "127.0.0.1".parse().unwrap();
    let named = |settings: &PipelineSettings, name: &[u8]| {
        handle_authentication(settings, "ensemble", Some(name), remote, &mut identities_of(remote), &state)
    };
    assert_eq!(named(&settings, b"other"), AuthOutcome::Ok, "nobody said what ours is called");
    settings.auth.ensemble_names = Some(["ours".into()].into());
    assert_eq!(named(&settings, b"ours"), AuthOutcome::Ok);
    assert_eq!(named(&settings, b""), AuthOutcome::Ok);
    assert_eq!(named(&settings, b"other"), AuthOutcome::Closed);
}

#[test]
fn enforced_schemes() {
    let mut settings = PipelineSettings::default();
    assert!(is_enough(&settings, &[]));
    settings.auth.enforce = Some(vec!["digest".into(), "x509".into()]);
    assert!(!is_enough(&settings, &[id(IP, "127.0.0.1")]));
    assert!(is_enough(&settings, &[id(IP, "127.0.0.1"), id(DIGEST, "u:h")]));
}

#[test]
fn identities_are_bounded_in_number_and_length() {
    let settings = PipelineSettings { jute_max_buffer: 50_000, ..PipelineSettings::default() };
    let state = State::new(tree::StateSettings::default());
    let remote: IpAddr = "127.0.0.1".parse().unwrap();
    let mut identities = identities_of(remote);
    let mut show = |credentials: &str| {
        let credentials = Some(credentials.as_bytes());
        handle_authentication(&settings, "digest", credentials, remote, &mut identities, &state)
    };
    assert_eq!(show(&"u".repeat(50_000)), AuthOutcome::Failed);
    let accepted = (0..2000).filter(|user| show(&user.to_string()) == AuthOutcome::Ok).count();
    assert_eq!(accepted, 999);
    assert_eq!(show("5"), AuthOutcome::Ok, "it is there");
}

#[test]
fn a_key_lets_in_its_multiples_and_without_one_everybody() {
    let mut settings = PipelineSettings::default();
    settings.acl.providers.push(("key".into(), Provider::Key));
    let remote: IpAddr = "127.0.0.1".parse().unwrap();
    let show = |state: &State, shown: &[u8]| {
        handle_authentication(&settings, KEY, Some(shown), remote, &mut identities_of(remote), state)
    };
    let mut state = State::new(tree::StateSettings::default());
    assert_eq!(show(&state, b"whatever"), AuthOutcome::Ok);
    create(&mut state, "/key", b"25");
    for (shown, outcome) in [
        (&b"25"[..], AuthOutcome::Ok),
        (b"100", AuthOutcome::Ok),
        (b"0", AuthOutcome::Ok),
        (b"26", AuthOutcome::Failed),
        (b"x", AuthOutcome::Failed),
        (b"", AuthOutcome::Failed),
    ] {
        assert_eq!(show(&state, shown), outcome, "{shown:?}");
    }
}

fn create(state: &mut State, path: &str, data: &'static [u8]) {
    let txn = jute::txn::CreateTxn {
        path: path.into(),
        data: Some(data.into()),
        acl: Some(acl::open()),
        ephemeral: false,
        parent_cversion: 1,
    };
    let header = jute::txn::TxnHeader {
        client_id: jute::SessionId(1),
        cxid: 1,
        zxid: jute::Zxid(1),
        time: 0,
        op_code: jute::OpCode::Create.code(),
    };
    let record = jute::TxnRecord { header, txn: jute::Txn::Create(txn), digest: None };
    state.apply(&record, &mut |_| ()).unwrap();
}
