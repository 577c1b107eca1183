//! What stands behind `rookeeper cli`.

use std::time::Duration;

/// Options of the shell, in the reference's spelling, and a command to run instead of a dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arguments {
    /// The connect string.
    pub(super) server: String,
    /// The session timeout to ask for.
    pub(super) timeout: Duration,
    /// A server that serves reads only will do.
    pub(super) read_only: bool,
    /// Do nothing before a server has taken the session.
    pub(super) wait_for_connection: bool,
    /// A single command; empty for a dialogue.
    pub(super) command: Vec<String>,
}

impl Arguments {
    /// Options come first; the first word without a dash begins the command.
    // zk: ZooKeeperMain.MyCommandOptions.parseOptions
    pub(super) fn parse(words: &[String]) -> Result<Self, String> {
        let mut arguments = Self {
            server: "localhost:2181".to_owned(),
            timeout: Duration::from_secs(30),
            read_only: false,
            wait_for_connection: false,
            command: Vec::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| format!("Error: no argument found for option {word}"));
            match word.as_str() {
                "-server" | "--server" => arguments.server.clone_from(value()?),
                "-timeout" | "--timeout" => arguments.timeout = milliseconds(value()?)?,
                "-r" => arguments.read_only = true,
                "-waitforconnection" | "--waitforconnection" => arguments.wait_for_connection = true,
                "-client-configuration" | "--client-configuration" => {
                    return Err(
                        "-client-configuration names settings of a JVM's client; this shell has none"
                            .to_owned(),
                    );
                }
                option if option.starts_with('-') => {
                    return Err(format!(
                        "unknown option {option}; known are -server host:port, -timeout ms, -r, -waitforconnection"
                    ));
                }
                _ => {
                    arguments.command = std::iter::once(word).chain(words).cloned().collect();
                    return Ok(arguments);
                }
            }
        }
        Ok(arguments)
    }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let ms = text.parse::<u64>().ok().filter(|ms| (1..=i32::MAX as u64).contains(ms));
    ms.map(Duration::from_millis).ok_or_else(|| format!("-timeout takes milliseconds, not \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_end_where_the_command_begins() {
        let arguments = parse("-server h:1 -timeout 5000 -r get -s /a").unwrap();
        assert_eq!((arguments.server.as_str(), arguments.timeout.as_millis()), ("h:1", 5000));
        assert!(arguments.read_only);
        assert_eq!(arguments.command, ["get", "-s", "/a"]);
        assert_eq!(parse("").unwrap().server, "localhost:2181");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse("-server").unwrap_err(), "Error: no argument found for option -server");
        for line in ["-timeout x", "-timeout 0", "-nonsense"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
