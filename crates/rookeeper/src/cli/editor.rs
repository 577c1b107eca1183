//! The dialogue at a terminal: line editing, history, completion of commands and paths.

use client::Client;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, ExternalPrinter, Helper};
use tokio::runtime::Handle;

use super::catalogue::ENTRIES;
use super::shell::{Shell, Turn};
use super::show::Show;
use super::words;

/// Lines that the arrow keys bring back.
const HISTORY_MAX: usize = 1000;

/// Reads and runs lines until the user leaves.
pub(super) fn dialogue(shell: &mut Shell) -> anyhow::Result<()> {
    let config = Config::builder().max_history_size(HISTORY_MAX)?.auto_add_history(true).build();
    let mut editor: Editor<Assistant, DefaultHistory> = Editor::with_config(config)?;
    let mut printer = editor.create_external_printer()?;
    let show: Show = Box::new(move |text| drop(printer.print(text.to_owned())));
    shell.connect(None, show);
    loop {
        editor.set_helper(Some(Assistant {
            client: shell.client().cloned(),
            runtime: shell.runtime().handle().clone(),
        }));
        match editor.readline(&shell.prompt()) {
            Ok(line) => {
                if let Turn::Quit = shell.execute(&line) {
                    return Ok(());
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return Ok(()),
            Err(why) => return Err(why.into()),
        }
    }
}

/// What knows how a line may go on.
struct Assistant {
    client: Option<Client>,
    runtime: Handle,
}

impl Assistant {
    // zk: JLineZNodeCompleter.completeZNode
    fn paths(&self, token: &str) -> Vec<String> {
        let Some(client) = self.client.as_ref().filter(|client| client.status().state.is_connected()) else {
            return Vec::new();
        };
        let Some((above, prefix)) = token.rsplit_once('/') else { return Vec::new() };
        let parent = if above.is_empty() { "/" } else { above };
        let mut names = self.runtime.block_on(client.get_children(parent, false)).unwrap_or_default();
        names.retain(|name| name.starts_with(prefix));
        names.sort_unstable();
        names.into_iter().map(|name| format!("{above}/{name}")).collect()
    }
}

/// Commands that start with this text.
fn commands(token: &str) -> Vec<String> {
    let names = ENTRIES.iter().map(|entry| entry.name).filter(|name| name.starts_with(token));
    names.map(|name| format!("{name} ")).collect()
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..pos).unwrap_or_default();
        let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let token = before.get(start..).unwrap_or_default();
        let candidates = match token {
            path if path.starts_with('/') => self.paths(path),
            name if start == 0 => commands(name),
            _ => Vec::new(),
        };
        Ok((start, candidates))
    }
}

/// A line with an open quote goes on.
impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if words::is_open(context.input()) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {}

impl Helper for Assistant {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_complete() {
        assert_eq!(commands("del"), ["delete ", "deleteall ", "delquota "]);
        assert_eq!(commands("zz"), Vec::<String>::new());
    }
}
