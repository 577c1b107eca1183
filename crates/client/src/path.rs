//! Path rules, checked before anything is sent, so that a slip of the caller costs no round trip.

use std::fmt;

/// Why a path was refused, in the words that operators know from the reference's shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPath(String);

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidPath {}

/// Checks a path that names a node.
// zk: PathUtils.validatePath: order of the checks, and positions counted in UTF-16 units
pub fn validate(path: &str) -> Result<(), InvalidPath> {
    if path.is_empty() {
        return refuse("Path length must be > 0");
    }
    if !path.starts_with('/') {
        return refuse("Path must start with / character");
    }
    if path.len() == 1 {
        return Ok(());
    }
    if path.ends_with('/') {
        return refuse("Path must not end with / character");
    }
    match first_fault(path) {
        None => Ok(()),
        Some((what, at)) => {
            Err(InvalidPath(format!("Invalid path string \"{path}\" caused by {what} @{at}")))
        }
    }
}

/// Checks a path that a sequence number will be appended to.
pub(crate) fn validate_sequential(path: &str) -> Result<(), InvalidPath> {
    validate(&format!("{path}1"))
}

fn refuse(why: &str) -> Result<(), InvalidPath> {
    Err(InvalidPath(why.to_owned()))
}

fn first_fault(path: &str) -> Option<(&'static str, usize)> {
    let mut at = 1;
    for component in path.split('/').skip(1) {
        if let Some((what, offset)) = component_fault(component) {
            return Some((what, at + offset));
        }
        at += component.encode_utf16().count() + 1;
    }
    None
}

fn component_fault(component: &str) -> Option<(&'static str, usize)> {
    match component {
        "" => return Some(("empty node name specified", 0)),
        "." => return Some(("relative paths not allowed", 0)),
        ".." => return Some(("relative paths not allowed", 1)),
        _ => {}
    }
    let units = component.encode_utf16().enumerate();
    units.into_iter().find_map(|(offset, unit)| unit_fault(unit).map(|what| (what, offset)))
}

fn unit_fault(unit: u16) -> Option<&'static str> {
    match unit {
        0 => Some("null character not allowed"),
        0x01..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..=0xffff => Some("invalid character"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_paths() {
        for path in ["/", "/a", "/a/b", "/a.b", "/...", "/.a/b..", "/zoö", "/a b"] {
            assert_eq!(validate(path), Ok(()), "{path}");
        }
        assert_eq!(validate_sequential("/a/"), Ok(()));
    }

    #[test]
    fn bad_paths_say_what_and_where() {
        let rows = [
            ("", "Path length must be > 0"),
            ("a", "Path must start with / character"),
            ("/a/", "Path must not end with / character"),
            ("/a//b", "Invalid path string \"/a//b\" caused by empty node name specified @3"),
            ("/a/./b", "Invalid path string \"/a/./b\" caused by relative paths not allowed @3"),
            ("/a/..", "Invalid path string \"/a/..\" caused by relative paths not allowed @4"),
            ("/a\u{0}", "Invalid path string \"/a\u{0}\" caused by null character not allowed @2"),
            ("/a/b\u{1f}", "Invalid path string \"/a/b\u{1f}\" caused by invalid character @4"),
            ("/\u{1F600}", "Invalid path string \"/\u{1F600}\" caused by invalid character @1"),
        ];
        for (path, expected) in rows {
            assert_eq!(validate(path).unwrap_err().to_string(), expected, "{path:?}");
        }
    }
}
