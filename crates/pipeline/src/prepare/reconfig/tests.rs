extern crate std;

use std::borrow::ToOwned;
use std::collections::BTreeSet;
use std::string::String;
use std::vec;

use ensemble::ServerId;
use jute::data::Id;
use jute::{SessionId, Zxid};
use tree::State;

use super::*;
use crate::changes::ChangesInFlight;
use crate::prepare::{Prepare, Prepared};
use crate::request::Request;
use crate::sessions::{Owner, SessionTracker};
use crate::settings::PipelineSettings;
use crate::time::Millis;

struct Three {
    current: Verifier,
    last_seen: Verifier,
    synced: BTreeSet<ServerId>,
}

impl Ensemble for Three {
    fn current(&self) -> &Verifier {
        &self.current
    }

    fn last_seen(&self) -> &Verifier {
        &self.last_seen
    }

    fn has_synced_quorum(&self, verifier: &Verifier) -> bool {
        verifier.contains_quorum(&self.synced)
    }
}

/// Three servers of which 1 and 2 are up to date; the client is super.
struct Case {
    settings: PipelineSettings,
    ensemble: Option<Three>,
    identity: &'static str,
    session: SessionId,
    request: proto::ReconfigRequest,
}

impl Default for Case {
    fn default() -> Self {
        let text = "server.1=a:1:2;3\nserver.2=b:1:2;3\nserver.3=c:1:2;3\nversion=5";
        let current = Verifier::from_text(text, false).unwrap();
        let synced = [1, 2].map(ServerId).into();
        Self {
            settings: PipelineSettings { reconfig_enabled: true, ..PipelineSettings::default() },
            ensemble: Some(Three { last_seen: current.clone(), current, synced }),
            identity: "super",
            session: SessionId(1),
            request: proto::ReconfigRequest {
                joining_servers: None,
                leaving_servers: Some("3".to_owned()),
                new_members: None,
                cur_config_id: ANY,
            },
        }
    }
}

fn prepare(case: Case) -> Prepared {
    let state = State::new(case.settings.state());
    let mut sessions = SessionTracker::new(3000, Millis(0), [(SessionId(1), 6000)]);
    let ensemble = case.ensemble.as_ref().map(|ensemble| ensemble as &dyn Ensemble);
    let mut prepare = Prepare {
        settings: &case.settings,
        state: &state,
        changes: &mut ChangesInFlight::default(),
        sessions: &mut sessions,
        warnings: &mut vec![],
        ensemble,
    };
    let identities = [Id { scheme: case.identity.to_owned(), id: String::new() }];
    let asker = Asker { session: case.session, xid: 5, owner: Owner::Here, identities: &identities };
    let prepared =
        prepare.request(&asker, Stamp { zxid: Zxid(9), wall_ms: 77 }, Request::Reconfig(case.request));
    if prepared.error.is_none() {
        assert_eq!(prepared.record.digest.map(|digest| digest.tree_digest), Some(state.digest()));
        let node = prepare.node(tree::path::CONFIG).unwrap();
        assert_eq!((node.stat.version, node.stat.mzxid, node.stat.mtime), (-1, Zxid(9), 77));
    }
    prepared
}

fn request(change: impl FnOnce(&mut proto::ReconfigRequest)) -> Case {
    let mut case = Case::default();
    change(&mut case.request);
    case
}

fn at(change: impl FnOnce(&mut Three)) -> Case {
    let mut case = Case::default();
    change(case.ensemble.as_mut().unwrap());
    case
}

#[test]
fn a_change_becomes_a_transaction_with_its_zxid_as_version() {
    let Txn::Reconfig(txn) = prepare(Case::default()).record.txn else { panic!("no reconfig") };
    let text = "server.1=a:1:2:participant;0.0.0.0:3\nserver.2=b:1:2:participant;0.0.0.0:3\nversion=9";
    assert_eq!((txn.path.as_str(), txn.version), ("/zookeeper/config", -1));
    assert_eq!(txn.data.as_deref(), Some(text.as_bytes()));
}

#[test]
fn checks_come_in_the_reference_s_order() {
    use ErrorCode::{
        BadArguments, BadVersion, MarshallingError, NewConfigNoQuorum, NoAuth, ReconfigDisabled,
        ReconfigInProgress, Unimplemented, UnknownSession,
    };
    let disabled = Case { settings: PipelineSettings::default(), session: SessionId(4), ..Case::default() };
    let stranger = Case { session: SessionId(4), ensemble: None, ..Case::default() };
    let standalone = Case { ensemble: None, ..Case::default() };
    let mut under_way = request(|request| request.cur_config_id = 4);
    if let Some(three) = &mut under_way.ensemble {
        three.last_seen.version = 6;
    }
    let whole = request(|request| {
        request.new_members = Some("server.1=a:1:2,server.2=b:1:2".to_owned());
        request.leaving_servers = Some("x".to_owned());
    });
    let alone = Case {
        settings: PipelineSettings { standalone_enabled: false, ..Case::default().settings },
        ..Case::default()
    };
    let skips = PipelineSettings {
        acl: tree::acl::AclSettings { skip_acl: true, ..tree::acl::AclSettings::with_default_providers() },
        ..Case::default().settings
    };
    for (case, wanted) in [
        (Case::default(), None),
        (request(|request| request.cur_config_id = 5), None),
        (whole, None),
        (alone, None),
        (Case { identity: "world", settings: skips, ..Case::default() }, None),
        (disabled, Some(ReconfigDisabled)),
        (stranger, Some(UnknownSession)),
        (standalone, Some(Unimplemented)),
        (under_way, Some(ReconfigInProgress)),
        (request(|request| request.cur_config_id = 4), Some(BadVersion)),
        (request(|request| request.leaving_servers = Some("2,3".to_owned())), Some(BadArguments)),
        (request(|request| request.leaving_servers = Some("x".to_owned())), Some(MarshallingError)),
        (request(|request| request.leaving_servers = Some("2".to_owned())), Some(NewConfigNoQuorum)),
        (at(|three| three.synced = [1].map(ServerId).into()), Some(NewConfigNoQuorum)),
        (Case { identity: "world", ..Case::default() }, Some(NoAuth)),
    ] {
        let (asked, identity) = (case.request.clone(), case.identity);
        assert_eq!(prepare(case).error, wanted, "{asked:?} as {identity}");
    }
}
