//! The text of the files that hold a membership.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::verifier::Verifier;

/// Text of a dynamic file: the lines in alphabetical order; the version is in the name of the file, but for the one that is
/// only proposed.
// zk: QuorumPeerConfig.writeDynamicConfig
#[must_use]
pub fn dynamic_text(verifier: &Verifier, keeps_version: bool) -> String {
    let text = verifier.to_string();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.retain(|line| keeps_version || !line.starts_with("version"));
    lines.sort_unstable();
    lines.join("\n")
}

/// Text of a configuration file once its membership is in a dynamic file.
// zk: QuorumPeerConfig.editStaticConfig
// diverges(static-file-keeps-its-form): the reference drops comments and the order of the lines
#[must_use]
pub fn static_text(text: &str, dynamic: &str, erases_client_port: bool) -> String {
    const GONE: [&str; 5] = ["server.", "group", "weight", "dynamicConfigFile", "peerType"];
    let goes = |line: &str| {
        let key = line.trim_start();
        GONE.iter().any(|gone| key.starts_with(gone)) || (erases_client_port && key.starts_with("clientPort"))
    };
    let mut out = String::new();
    let mut is_going = false;
    let mut is_continued = false;
    for line in text.lines() {
        if !is_continued {
            is_going = goes(line);
        }
        let is_comment = !is_continued && line.trim_start().starts_with(['#', '!']);
        is_continued = !is_comment && line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
        if !is_going {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.push_str(&format!("dynamicConfigFile={}\n", dynamic.replace('\\', "\\\\")));
    out.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_files_are_sorted() {
        let text = "server.2=b:1:2\nserver.1=a:1:2;3\ngroup.1=1:2\nversion=1f";
        let verifier = Verifier::from_text(text, false).expect("valid");
        let lines = "group.1=1:2\nserver.1=a:1:2:participant;0.0.0.0:3\nserver.2=b:1:2:participant";
        assert_eq!(dynamic_text(&verifier, false), format!("{lines}\nweight.1=1\nweight.2=1"));
        assert_eq!(dynamic_text(&verifier, true), format!("{lines}\nversion=1f\nweight.1=1\nweight.2=1"));
    }

    #[test]
    fn static_files_lose_their_membership_and_nothing_else() {
        let text = "# server.9 was here\ntickTime=1\nserver.1=a:1:2\n server.2=b:1:2 \\\n  ;3\ngroup.1=1\nweight.1=1\n\
                    peerType=observer\nclientPort=5\nclientPortAddress=h\ndynamicConfigFile=x\ninitLimit=\\\n  5";
        let kept = "# server.9 was here\ntickTime=1\nclientPort=5\nclientPortAddress=h\ninitLimit=\\\n  5\n";
        assert_eq!(
            static_text(text, "/z.dynamic.9", false),
            format!("{kept}dynamicConfigFile=/z.dynamic.9\n")
        );
        let kept = "# server.9 was here\ntickTime=1\ninitLimit=\\\n  5\n";
        assert_eq!(
            static_text(text, "/z.dynamic.9", true),
            format!("{kept}dynamicConfigFile=/z.dynamic.9\n")
        );
        // What was written once is written the same again.
        let again = static_text(text, "/z.dynamic.9", true);
        assert_eq!(static_text(&again, "/z.dynamic.9", true), again);
    }
}
