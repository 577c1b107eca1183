//! Whose data this is, as far as the membership node in it tells.

use ensemble::{Member, Verifier};
use tree::State;

use crate::settings::EnsembleSettings;

/// The membership, as each server that wrote the data had it.
const CONFIG_NODE: &str = "/zookeeper/config";

/// Says so when the data were served by other members, or with a newer membership, than the files of this server name. Neither
/// stops it: operators give an ensemble other addresses, or go back to an older membership, with all servers down.
pub(crate) fn compare(state: &State, member: &EnsembleSettings) {
    let Some(in_data) = membership_in(state) else { return };
    if let Some(line) = difference(&in_data, &member.verifier) {
        tracing::warn!("{line}");
    }
}

fn membership_in(state: &State) -> Option<Verifier> {
    let node = state.node(CONFIG_NODE)?;
    let text = str::from_utf8(node.data()?).ok()?;
    Verifier::from_text(text, true).ok().filter(|verifier| !verifier.members().is_empty())
}

fn difference(in_data: &Verifier, here: &Verifier) -> Option<String> {
    let is_at =
        |one: &Member, other: &Member| one.addresses.iter().any(|address| other.addresses.contains(address));
    let is_known = |one: &&Member| here.members().iter().any(|other| is_at(one, other));
    if !in_data.members().iter().any(|one| is_known(&one)) {
        let theirs: Vec<String> =
            in_data.members().iter().map(|one| format!("server.{}={one}", one.id)).collect();
        return Some(format!(
            "the data here were served by other members ({}): are they this ensemble's?",
            theirs.join(" ")
        ));
    }
    // A membership in a file without a version gets one with the first epoch, which is in no file.
    (0 < here.version && here.version < in_data.version).then(|| {
        format!(
            "the dynamic file is older (version {:x}) than the membership in the data ({:x}): was it put back?",
            here.version, in_data.version
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(lines: &[(&str, &str)]) -> Verifier {
        Verifier::from_pairs(lines.iter().copied(), true).unwrap()
    }

    #[test]
    fn foreign_data_and_old_files_are_named() {
        let old = [("server.1", "a:1:2"), ("server.2", "b:1:2"), ("version", "100000007")];
        let rows = [
            (&old[..], None),
            (&[("server.1", "x:1:2|a:1:2"), ("version", "100000007")][..], None),
            (&[("server.1", "a:1:2"), ("version", "0")][..], None),
            (&[("server.1", "a:1:2"), ("version", "100000008")][..], None),
            (&[("server.1", "a:1:2"), ("version", "100000001")][..], Some("older (version 100000001)")),
            (
                &[("server.1", "a:1:3"), ("server.2", "c:1:2")][..],
                Some("(server.1=a:1:2:participant server.2=b:1:2:participant)"),
            ),
        ];
        for (here, wanted) in rows {
            let found = difference(&membership(&old), &membership(here));
            match wanted {
                None => assert_eq!(found, None, "{here:?}"),
                Some(words) => assert!(found.as_ref().is_some_and(|line| line.contains(words)), "{found:?}"),
            }
        }
    }
}
