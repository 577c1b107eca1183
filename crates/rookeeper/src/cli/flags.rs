//! Options of a command, wherever they stand among its words.

use super::failure::Failure;

/// What options a command knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Options without a value.
    pub(super) plain: &'static [&'static str],
    /// Options that take a value.
    pub(super) valued: &'static [&'static str],
}

/// The words of a command, sorted into options and the rest; the first of the rest is the command itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    plain: Vec<&'static str>,
    valued: Vec<(&'static str, String)>,
    rest: Vec<String>,
}

impl Words {
    /// Sorts the words. `-ab` may stand for `-a -b`, and `-v3` for `-v 3`; after `--` nothing is an option.
    // zk: org.apache.commons.cli.DefaultParser, as the shell uses it
    pub(super) fn parse(words: &[String], known: Known) -> Result<Self, Failure> {
        let mut parsed = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                parsed.rest.extend(words.cloned());
                break;
            }
            match word.strip_prefix('-') {
                None | Some("") => parsed.rest.push(word.clone()),
                Some(name) => match parsed.option(name, known) {
                    Taken::Whole => {}
                    Taken::WantsValue(option) => {
                        let value = words.next().filter(|value| is_value(value, known));
                        let value = value.ok_or_else(|| missing(option))?;
                        parsed.valued.push((option, value.clone()));
                    }
                    Taken::Unknown => return Err(Failure::new(format!("Unrecognized option: {word}"))),
                },
            }
        }
        Ok(parsed)
    }

    /// An option without a value was given.
    pub(super) fn has(&self, option: &str) -> bool {
        self.plain.contains(&option) || self.value(option).is_some()
    }

    /// The value of an option; the first counts.
    pub(super) fn value(&self, option: &str) -> Option<&str> {
        self.valued.iter().find(|(name, _)| *name == option).map(|(_, value)| value.as_str())
    }

    /// A word that is not an option, counted from the command's name.
    pub(super) fn word(&self, index: usize) -> Option<&str> {
        self.rest.get(index).map(String::as_str)
    }

    /// All words that are no options.
    pub(super) fn rest(&self) -> &[String] {
        &self.rest
    }

    fn option(&mut self, name: &str, known: Known) -> Taken {
        if let Some(option) = find(known.plain, name) {
            self.plain.push(option);
            return Taken::Whole;
        }
        if let Some(option) = find(known.valued, name) {
            return Taken::WantsValue(option);
        }
        self.several(name, known)
    }

    /// Letters in a row, the last of which may carry its value.
    fn several(&mut self, name: &str, known: Known) -> Taken {
        for (at, letter) in name.char_indices() {
            let letter_text = letter.to_string();
            if let Some(option) = find(known.plain, &letter_text) {
                self.plain.push(option);
            } else if let Some(option) = find(known.valued, &letter_text) {
                let value = name.get(at + letter.len_utf8()..).unwrap_or_default();
                if value.is_empty() {
                    return Taken::WantsValue(option);
                }
                self.valued.push((option, value.to_owned()));
                return Taken::Whole;
            } else {
                return Taken::Unknown;
            }
        }
        Taken::Whole
    }
}

enum Taken {
    Whole,
    WantsValue(&'static str),
    Unknown,
}

fn find(options: &'static [&'static str], name: &str) -> Option<&'static str> {
    options.iter().copied().find(|option| *option == name)
}

/// A negative number is a value, an option is not.
fn is_value(word: &str, known: Known) -> bool {
    let Some(name) = word.strip_prefix('-') else { return true };
    let first = name.chars().next().map(String::from).unwrap_or_default();
    let is_option = [name, first.as_str()]
        .iter()
        .any(|name| find(known.plain, name).is_some() || find(known.valued, name).is_some());
    word.parse::<f64>().is_ok() || !is_option
}

fn missing(option: &str) -> Failure {
    Failure::new(format!("Missing argument for option: {option}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = Known { plain: &["s", "w", "stats"], valued: &["v", "file"] };

    fn parse(line: &str) -> Result<Words, Failure> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Words::parse(&words, KNOWN)
    }

    #[test]
    fn options_may_stand_anywhere() {
        for line in
            ["set /a x -s -v 3", "set -s /a -v 3 x", "-v3 set /a -s x", "set -sv 3 /a x", "set -sv3 /a x"]
        {
            let words = parse(line).unwrap();
            assert_eq!(
                (words.has("s"), words.value("v"), words.has("w")),
                (true, Some("3"), false),
                "{line}"
            );
            assert_eq!(words.rest(), ["set", "/a", "x"], "{line}");
        }
    }

    #[test]
    fn values_may_be_negative_and_words_may_follow_a_double_dash() {
        assert_eq!(parse("delete -v -1 /a").unwrap().value("v"), Some("-1"));
        assert_eq!(parse("set /a -- -s").unwrap().rest(), ["set", "/a", "-s"]);
        assert_eq!(parse("reconfig -file f").unwrap().value("file"), Some("f"));
    }

    #[test]
    fn mistakes_are_named() {
        let rows = [
            ("ls -z /", "Unrecognized option: -z"),
            ("set /a -5", "Unrecognized option: -5"),
            ("delete /a -v", "Missing argument for option: v"),
            ("delete -v -s /a", "Missing argument for option: v"),
        ];
        for (line, expected) in rows {
            assert_eq!(parse(line), Err(Failure::new(expected)), "{line}");
        }
    }
}
