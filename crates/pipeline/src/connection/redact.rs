use alloc::string::String;

/// A digest id as somebody without ADMIN sees it: what stands behind the first colon of each line becomes `x`.
// zk: FinalRequestProcessor, getACL: replaceAll(":.*", ":x"), where the dot stops at Java's line terminators
pub(super) fn redacted(id: &str) -> String {
    let mut shown = String::with_capacity(id.len());
    let mut hidden = false;
    for character in id.chars() {
        match character {
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                hidden = false;
                shown.push(character);
            }
            ':' if !hidden => {
                hidden = true;
                shown.push_str(":x");
            }
            _ if hidden => (),
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_remains() {
        for (id, expected) in [
            ("user:hash", "user:x"),
            ("user", "user"),
            ("user:", "user:x"),
            ("a:b:c", "a:x"),
            ("", ""),
            ("a:b\nc:d", "a:x\nc:x"),
            ("a:b\u{2028}c", "a:x\u{2028}c"),
        ] {
            assert_eq!(redacted(id), expected, "{id:?}");
        }
    }
}
