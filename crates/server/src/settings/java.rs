//! How Java reads numbers and booleans from text.

/// `Integer.decode`, `Long.decode`: sign, then `0x`, `0X` or `#` for hex, `0` for octal, else decimal.
pub(crate) fn decode(text: &str) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = ["0x", "0X", "#"].iter().find_map(|prefix| rest.strip_prefix(prefix));
    let (digits, radix) = match hex {
        Some(digits) => (digits, 16),
        None => match rest.strip_prefix('0') {
            Some(digits) if !digits.is_empty() => (digits, 8),
            _ => (rest, 10),
        },
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// `Integer.parseInt`: decimal with an optional sign.
pub(crate) fn parse_int(text: &str) -> Option<i32> {
    text.parse().ok()
}

/// `Boolean.parseBoolean`: `true` in any case, and nothing else.
pub(crate) fn parse_boolean(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_as_java_does() {
        let rows = [
            ("10", Some(10)),
            ("+10", Some(10)),
            ("-10", Some(-10)),
            ("0x1F", Some(31)),
            ("-0X1f", Some(-31)),
            ("#ff", Some(255)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("-0", Some(0)),
            ("08", None),
            ("", None),
            (" 1", None),
            ("0x", None),
            ("--1", None),
            ("0x-1", None),
            ("1k", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
        ];
        for (text, wanted) in rows {
            assert_eq!(decode(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn parses_plain_integers() {
        for (text, wanted) in
            [("2181", Some(2181)), ("-1", Some(-1)), ("+3", Some(3)), ("0x1", None), ("", None)]
        {
            assert_eq!(parse_int(text), wanted, "{text:?}");
        }
    }
}
