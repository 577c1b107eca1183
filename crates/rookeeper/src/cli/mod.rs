//! A shell for ZooKeeper servers, with the commands and the texts of the reference's `zkCli.sh`.

mod arguments;
mod catalogue;
mod commands;
mod editor;
mod failure;
mod flags;
mod print;
mod shell;
mod show;
mod stats_track;
mod tree;
mod words;

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use arguments::Arguments;
use shell::{Shell, Turn};

use crate::text::say;

/// Bad words behind `rookeeper cli`.
// zk: ExitCode.INVALID_INVOCATION
const EXIT_INVALID_INVOCATION: u8 = 2;

/// Runs one command, or a dialogue.
pub(crate) fn main(words: &[String]) -> ExitCode {
    match run(words) {
        Ok(code) => ExitCode::from(code),
        Err((message, code)) => {
            eprintln!("{message}");
            ExitCode::from(code)
        }
    }
}

fn run(words: &[String]) -> Result<u8, (String, u8)> {
    let arguments = Arguments::parse(words).map_err(|why| (why, EXIT_INVALID_INVOCATION))?;
    let command = arguments.command.clone();
    let mut shell = Shell::new(arguments).map_err(|why| (why.to_string(), 1))?;
    say!("Connecting to {}", shell.server());
    if command.is_empty() {
        dialogue(&mut shell).map_err(|why| (why.to_string(), 1))?;
    } else {
        shell.run_once(&command);
    }
    Ok(shell.leave())
}

fn dialogue(shell: &mut Shell) -> anyhow::Result<()> {
    say!("Welcome to ZooKeeper!");
    if io::stdin().is_terminal() {
        return editor::dialogue(shell);
    }
    shell.connect(None, show::to_stdout());
    let mut text = String::new();
    for line in io::stdin().lock().lines() {
        text.push_str(&line?);
        if words::is_open(&text) {
            text.push('\n');
            continue;
        }
        if let Turn::Quit = shell.execute(&text) {
            return Ok(());
        }
        text.clear();
    }
    shell.execute(&text);
    Ok(())
}
