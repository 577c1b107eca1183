//! A line of input as words.

/// Cuts a line into words. A word that begins with a quote ends at the next such quote, and may hold spaces and line
/// ends; quotes inside of a word are part of it, and there are no escapes. A quote that never ends is dropped.
// zk: ZooKeeperMain.MyCommandOptions.parseCommand: what its ARGS_PATTERN accepts
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match quoted(rest) {
            Some((word, after)) => (word, after),
            None if is_quote(first) => {
                rest = rest.get(1..).unwrap_or_default().trim_start();
                continue;
            }
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

/// The line ends within a quoted word, so that more lines belong to it.
pub(super) fn is_open(line: &str) -> bool {
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        rest = match quoted(rest) {
            Some((_, after)) => after.trim_start(),
            None if is_quote(first) => return true,
            None => rest
                .get(rest.find(char::is_whitespace).unwrap_or(rest.len())..)
                .unwrap_or_default()
                .trim_start(),
        };
    }
    false
}

/// A quoted word at the start, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|first| is_quote(*first))?;
    text.get(1..)?.split_once(quote)
}

fn is_quote(letter: char) -> bool {
    letter == '"' || letter == '\''
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_their_words() {
        let rows: [(&str, &[&str]); 11] = [
            ("", &[]),
            ("  ls  /  ", &["ls", "/"]),
            ("create /a \"two words\" x", &["create", "/a", "two words", "x"]),
            ("set /a 'it said \"no\"'", &["set", "/a", "it said \"no\""]),
            ("set /a \"\"", &["set", "/a", ""]),
            ("set /a b\"c d\"", &["set", "/a", "b\"c", "d\""]),
            ("set /a \"one\"\"two\"", &["set", "/a", "one", "two"]),
            ("set /a \"one\ntwo\"", &["set", "/a", "one\ntwo"]),
            ("set /a \"never ends", &["set", "/a", "never", "ends"]),
            ("set /a it's", &["set", "/a", "it's"]),
            ("set /ä 'ö ü'", &["set", "/ä", "ö ü"]),
        ];
        for (line, words) in rows {
            assert_eq!(split(line), words, "{line}");
        }
    }

    #[test]
    fn a_line_with_an_open_quote_goes_on() {
        for (line, open) in
            [("set /a \"x", true), ("set /a \"x\"", false), ("it's", false), ("a 'b \"", true), ("", false)]
        {
            assert_eq!(is_open(line), open, "{line}");
        }
    }
}
