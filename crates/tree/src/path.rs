//! Rules for paths of znodes.

use alloc::{format, string::String};

/// The node under which the server keeps its own nodes.
pub const ZOOKEEPER: &str = "/zookeeper";
/// The node under which quotas are kept.
pub const QUOTA: &str = "/zookeeper/quota";
/// The node that holds the ensemble's configuration.
pub const CONFIG: &str = "/zookeeper/config";

/// A path that no znode can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPath;

/// Whether a znode may be created under this path.
// zk: PathUtils.validatePath
pub fn validate(path: &str) -> Result<(), InvalidPath> {
    if path == "/" {
        return Ok(());
    }
    let names = path.strip_prefix('/').ok_or(InvalidPath)?;
    let mut split = names.as_bytes().split(|byte| *byte == b'/');
    let are_names = split.all(|name| !matches!(name, b"" | b"." | b".."));
    let is_allowed = match names.is_ascii() {
        // Nearly all are: bytes are looked at several times faster than characters.
        true => names.bytes().all(|byte| is_allowed(char::from(byte))),
        false => names.chars().all(is_allowed),
    };
    (are_names && is_allowed).then_some(()).ok_or(InvalidPath)
}

/// Whether a name may hold this character. Those beyond the basic plane are surrogates in the reference.
fn is_allowed(character: char) -> bool {
    !matches!(character,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{10ffff}')
}

/// Whether the path belongs to the server, so that it cannot be deleted.
// zk: DataTree.isSpecialPath
pub fn is_special(path: &str) -> bool {
    matches!(path, "/" | ZOOKEEPER | QUOTA | CONFIG)
}

/// Parent and name; the parent of a top-level node is the empty string. `None` when there is no slash.
pub fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/')
}

/// The path as it appears in events and requests: the root is a slash.
pub fn shown(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// The path of a sequential znode.
// zk: PrepRequestProcessor.pRequest2TxnCreate: ten digits of the parent's stored child version
pub fn sequential(prefix: &str, parent_cversion: i32) -> String {
    format!("{prefix}{parent_cversion:010}")
}

/// The first name of a path, by which traffic is counted.
// zk: PathUtils.getTopNamespace
pub fn top_namespace(path: &str) -> Option<&str> {
    path.trim_end_matches('/').split('/').nth(1)
}

/// Length as the reference counts it: UTF-16 units.
pub(crate) fn utf16_len(path: &str) -> usize {
    if path.is_ascii() { path.len() } else { path.encode_utf16().count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_paths_are_valid() {
        for (path, valid) in [
            ("/", true),
            ("/a", true),
            ("/a/b.c/..d/e../...", true),
            ("/\u{20}\u{a0}\u{d7ff}\u{f900}\u{ffef}", true),
            ("", false),
            ("a", false),
            ("/a/", false),
            ("//", false),
            ("//a", false),
            ("/a//b", false),
            ("/.", false),
            ("/a/./b", false),
            ("/..", false),
            ("/a/..", false),
            ("/a\0", false),
            ("/a\u{1}", false),
            ("/a\u{1f}", false),
            ("/a\u{7f}", false),
            ("/a\u{9f}", false),
            ("/\u{e000}", false),
            ("/\u{f8ff}", false),
            ("/\u{fff0}", false),
            ("/\u{ffff}", false),
            ("/\u{1f600}", false),
        ] {
            assert_eq!(validate(path).is_ok(), valid, "{path:?}");
        }
    }

    #[test]
    fn sequential_names_have_ten_digits_or_a_sign() {
        for (cversion, name) in [
            (0, "/q0000000000"),
            (42, "/q0000000042"),
            (i32::MAX, "/q2147483647"),
            (i32::MIN, "/q-2147483648"),
            (-5, "/q-000000005"),
        ] {
            assert_eq!(sequential("/q", cversion), name);
        }
    }

    #[test]
    fn the_top_namespace_is_the_first_name() {
        for (path, name) in [("/", None), ("/a", Some("a")), ("/a/b", Some("a")), ("a", None), ("", None)] {
            assert_eq!(top_namespace(path), name, "{path}");
        }
    }
}
