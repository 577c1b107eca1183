use alloc::format;

use super::*;

const NOW: &str = "server.1=a:1:2:participant;0.0.0.0:3\nserver.2=b:1:2:participant;0.0.0.0:3\n\
                   server.3=c:1:2:participant;0.0.0.0:3\nversion=5";
const RULES: Rules = Rules { standalone_enabled: true, multi_address: false };

fn now() -> Verifier {
    Verifier::from_text(NOW, false).expect("valid")
}

/// Members as `id`, observers as `ido`; or why not.
fn outcome(changed: Result<Verifier, Refused>) -> String {
    match changed {
        Ok(verifier) => {
            let name = |member: &Member| format!("{}{}", member.id, if member.votes() { "" } else { "o" });
            let members: Vec<String> = verifier.members().iter().map(name).collect();
            format!("{} v{:x}", members.join(" "), verifier.version)
        }
        Err(Refused::BadArguments(_)) => "bad arguments".to_string(),
        Err(Refused::Unreadable(_)) => "unreadable".to_string(),
    }
}

fn incremental(joining: &str, leaving: &str, rules: Rules) -> String {
    let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let change = Change::Incremental { joining: given(joining), leaving: given(leaving) };
    outcome(now().changed(change, 0x9, rules))
}

#[test]
fn servers_join_change_and_leave_one_by_one() {
    for (joining, leaving, wanted) in [
        ("", "", "1 2 3 v9"),
        ("server.4=d:1:2;3", "", "1 2 3 4 v9"),
        (" server.4 = d:1:2:observer;h:3 , server.5=e:1:2;3 ,", "", "1 2 3 4o 5 v9"),
        ("", "3", "1 2 v9"),
        ("", " 2 , 9", "1 3 v9"),
        ("server.4=d:1:2;3", "1,2", "3 4 v9"),
        ("server.3=c:1:2:observer;3", "", "1 2 3o v9"),
        ("server.3=moved:8:9;3", "3", "1 2 3 v9"),
        // The table of a copied map is as small as it can be: 8 goes before 1.
        ("server.8=h:1:2;3", "", "8 1 2 3 v9"),
        ("x.y.4=d:1:2;3", "", "1 2 3 4 v9"),
        // Addresses of one's own machine are nobody's.
        ("server.4=127.0.0.1:1:2;0.0.0.0:3,server.5=localhost:1:2;3", "", "1 2 3 4 5 v9"),
    ] {
        assert_eq!(incremental(joining, leaving, RULES), wanted, "{joining} - {leaving}");
    }
}

#[test]
fn what_cannot_be_is_refused_as_the_reference_does() {
    for (joining, leaving, wanted) in [
        ("", "2,3", "bad arguments"),
        ("server.2=b:1:2:observer;3,server.3=c:1:2:observer;3", "", "bad arguments"),
        ("server.4=d:1:2", "", "bad arguments"),
        ("server.4=d:1;3", "", "bad arguments"),
        ("server.4=d:1:1;3", "", "bad arguments"),
        ("server.4=d:1:2:king;3", "", "bad arguments"),
        ("server.4=d:1:2|e:1:2;3", "", "bad arguments"),
        ("server.4", "", "bad arguments"),
        ("server.4=d:1:2;3=5", "", "bad arguments"),
        ("server.x=d:1:2;3", "", "unreadable"),
        ("", "x", "unreadable"),
        ("server.4=c:1:9;3", "", "bad arguments"),
        ("server.4=d:1:2;c:2", "", "bad arguments"),
        ("server.4=d:1:2;3,server.5=d:2:7;3", "", "bad arguments"),
    ] {
        assert_eq!(incremental(joining, leaving, RULES), wanted, "{joining} - {leaving}");
    }
}

#[test]
fn without_standalone_servers_one_voter_is_enough() {
    let rules = Rules { standalone_enabled: false, ..RULES };
    assert_eq!(incremental("", "2,3", rules), "1 v9");
    assert_eq!(incremental("", "1,2,3", rules), "bad arguments");
}

#[test]
fn several_addresses_join_where_they_are_allowed() {
    let rules = Rules { multi_address: true, ..RULES };
    assert_eq!(incremental("server.4=d:1:2|e:1:2;3", "", rules), "1 2 3 4 v9");
}

#[test]
fn a_whole_membership_takes_the_place_of_the_old_one() {
    let strict = Rules { standalone_enabled: false, ..RULES };
    for (lines, rules, wanted) in [
        ("server.1=a:1:2;3,server.7=g:1:2;3", RULES, "1 7 v9"),
        ("server.1=a:1:2\nserver.7=g:1:2:observer\nserver.2=b:1:2", RULES, "1 2 7o v9"),
        ("server.1=a:1:2,server.1=b:1:2,server.2=c:1:2", RULES, "1 2 v9"),
        ("server.1=a:1:2,server.2=a:1:2", RULES, "1 2 v9"),
        ("server.1=a:1:2,server.2=b:1:2,group.1=1:2,weight.1=1", RULES, "1 2 v9"),
        ("server.1=a:1:2,server.2=b:1:2,version=77", RULES, "1 2 v9"),
        ("server.1=a:1:2", RULES, "bad arguments"),
        ("server.1=a:1:2", strict, "1 v9"),
        ("", RULES, "bad arguments"),
        ("", strict, "unreadable"),
        ("server.1=a:1:2:observer", RULES, "unreadable"),
        ("server.1=a:1:2,server.2=b:1:2:observer", RULES, "unreadable"),
        ("server.1=a:1:2,server.2=b:1:2,clientPort=1", RULES, "bad arguments"),
        ("server.1=a:1:2,server.2=b", RULES, "bad arguments"),
        ("server.1=a:1:2,server.two=b:1:2", RULES, "unreadable"),
        ("server.1=a:1:2,server.2=b:1:2,version=x", RULES, "unreadable"),
        ("server.1=a:1:2,server.2=b:1:2,group.1=1", RULES, "bad arguments"),
        ("server.1=a:1:2,server.2=b:1:2,group.1=1:2,group.2=2", RULES, "bad arguments"),
    ] {
        assert_eq!(outcome(now().changed(Change::Members(lines), 9, rules)), wanted, "{lines}");
    }
}

#[test]
fn where_there_are_groups_only_a_whole_membership_will_do() {
    let text = format!("{NOW}\ngroup.1=1:2:3");
    let groups = Verifier::from_text(&text, false).expect("valid");
    let change = Change::Incremental { joining: None, leaving: Some("3") };
    assert_eq!(outcome(groups.changed(change, 9, RULES)), "bad arguments");
    let whole = Change::Members("server.1=a:1:2,server.2=b:1:2");
    assert_eq!(outcome(groups.changed(whole, 9, RULES)), "1 2 v9");
}

#[test]
fn memberships_are_the_same_whatever_their_versions() {
    let newer = now().with_version(9);
    assert!(now().has_same_members(&newer));
    let change = Change::Incremental { joining: None, leaving: Some("3") };
    assert!(!now().has_same_members(&now().changed(change, 9, RULES).expect("valid")));
}
