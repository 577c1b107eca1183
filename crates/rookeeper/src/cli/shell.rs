//! The shell between commands: its connection, its history, its own commands.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client::{Client, ConnectString, Options};
use tokio::runtime::Runtime;

use super::arguments::Arguments;
use super::catalogue::{Ask, Command, Entry, Own, overview};
use super::commands::{self, Context};
use super::failure::Failure;
use super::flags::Words;
use super::show::{self, Show, Showing, to_stdout};
use super::words;
use crate::text::say;

/// Threads for the connection; commands run on the main thread.
const WORKERS: usize = 1;
/// How long the first prompt waits for a server, so that it mostly shows one.
const FIRST_PROMPT: Duration = Duration::from_millis(300);
/// How many older commands `history` shows.
// zk: ZooKeeperMain.processZKCmd
const HISTORY_SHOWN: usize = 10;

/// What to do after a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Read the next one.
    Next,
    /// Leave.
    Quit,
}

/// The shell's state.
pub(super) struct Shell {
    runtime: Runtime,
    arguments: Arguments,
    client: Option<Client>,
    showing: Option<Showing>,
    print_watches: Arc<AtomicBool>,
    history: Vec<String>,
    exit_code: u8,
}

impl Shell {
    pub(super) fn new(arguments: Arguments) -> io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
        Ok(Self {
            runtime,
            arguments,
            client: None,
            showing: None,
            print_watches: Arc::new(AtomicBool::new(true)),
            history: Vec::new(),
            exit_code: 0,
        })
    }

    pub(super) fn server(&self) -> &str {
        &self.arguments.server
    }

    pub(super) fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    // zk: ZooKeeperMain.getPrompt
    pub(super) fn prompt(&self) -> String {
        let state = self.client.as_ref().map_or("CLOSED", |client| client.status().state.word());
        format!("[zk: {}({state}) {}] ", self.arguments.server, self.history.len())
    }

    /// Connects in the background, to the same server unless told otherwise; the old session, if any, is closed.
    pub(super) fn connect(&mut self, server: Option<&str>, show: Show) {
        if let Some(client) = self.client.take() {
            self.runtime.block_on(client.close());
        }
        if let Some(server) = server {
            server.clone_into(&mut self.arguments.server);
        }
        let address = match ConnectString::parse(&self.arguments.server) {
            Ok(address) => address,
            Err(why) => return self.tell(&Failure::from(client::Error::from(why))),
        };
        let _inside = self.runtime.enter();
        let (client, events) = Client::start(address, self.options());
        self.client = Some(client.clone());
        let wanted = Arc::clone(&self.print_watches);
        self.showing = Some(Showing::start(&self.runtime, events, show, wanted));
        let patience = if self.arguments.wait_for_connection { self.arguments.timeout } else { FIRST_PROMPT };
        // Without a connection the prompt says so.
        drop(self.runtime.block_on(tokio::time::timeout(patience, client.connected())));
    }

    /// Runs the command of the command line, after a server has taken the session.
    pub(super) fn run_once(&mut self, command: &[String]) {
        if command.first().is_some_and(|name| name == "help") {
            self.process(command);
            return;
        }
        let connecting = Client::connect(&self.arguments.server, self.options());
        match self.runtime.block_on(connecting) {
            Ok((client, mut events)) => {
                if let Some(event) = events.try_next() {
                    show::say_as_is(&show::text(&event));
                }
                self.client = Some(client);
                let wanted = Arc::clone(&self.print_watches);
                self.showing = Some(Showing::start(&self.runtime, events, to_stdout(), wanted));
                self.process(command);
            }
            Err(why) => {
                let failure = Failure::from(why);
                let message = format!("{}: no server at {}", failure.message, self.arguments.server);
                self.tell(&Failure { message, ..failure });
            }
        }
    }

    fn options(&self) -> Options {
        Options {
            session_timeout: self.arguments.timeout,
            read_only: self.arguments.read_only,
            ..Options::default()
        }
    }

    /// Runs one line of a dialogue.
    // zk: ZooKeeperMain.executeLine
    pub(super) fn execute(&mut self, line: &str) -> Turn {
        let words = words::split(line);
        if words.is_empty() {
            return Turn::Next;
        }
        let turn = self.process(&words);
        if let Some(showing) = &self.showing {
            showing.catch_up(&self.runtime);
        }
        self.history.push(line.to_owned());
        turn
    }

    fn process(&mut self, words: &[String]) -> Turn {
        match self.dispatch(words) {
            Ok(turn) => {
                self.exit_code = 0;
                turn
            }
            Err(failure) => {
                self.tell(&failure);
                Turn::Next
            }
        }
    }

    fn tell(&mut self, failure: &Failure) {
        self.exit_code = failure.exit_code;
        eprintln!("{}", failure.message);
    }

    // zk: ZooKeeperMain.processZKCmd
    fn dispatch(&mut self, words: &[String]) -> Result<Turn, Failure> {
        let name = words.first().map(String::as_str).unwrap_or_default();
        let Some(entry) = Entry::find(name) else {
            eprintln!("{}", overview());
            return Err(Failure::no_command(name));
        };
        let words = Words::parse(words, entry.known)?;
        if words.rest().len() < entry.words_min {
            return Err(Failure::new(entry.usage()));
        }
        match entry.command {
            Command::Own(own) => self.own(own, &words),
            Command::Ask(ask) => self.ask(ask, words),
        }
    }

    fn own(&mut self, own: Own, words: &Words) -> Result<Turn, Failure> {
        match own {
            Own::Quit => return Ok(Turn::Quit),
            Own::Redo => return self.redo(words.word(1)),
            Own::Help => say!("{}", overview()),
            Own::History => self.show_history(),
            Own::PrintWatches => self.print_watches(words.word(1)),
            Own::Connect => self.connect(words.word(1), to_stdout()),
            Own::Close => {
                if let Some(client) = &self.client {
                    self.runtime.block_on(client.close());
                }
            }
        }
        Ok(Turn::Next)
    }

    fn ask(&self, ask: Ask, words: Words) -> Result<Turn, Failure> {
        let Some(client) = self.client.as_ref().filter(|client| !client.status().state.is_final()) else {
            say!("Not connected");
            return Ok(Turn::Next);
        };
        let (mut out, mut err) = (io::stdout(), io::stderr());
        let context = Context { client, out: &mut out, err: &mut err, words };
        self.runtime.block_on(commands::run(ask, context))?;
        Ok(Turn::Next)
    }

    fn redo(&mut self, number: Option<&str>) -> Result<Turn, Failure> {
        let number =
            number.ok_or_else(|| Failure::new(Entry::find("redo").map(Entry::usage).unwrap_or_default()))?;
        let line = number.parse().ok().and_then(|index: usize| self.history.get(index)).cloned();
        let words = words::split(&line.ok_or_else(|| Failure::new("Command index out of range"))?);
        if words.first().is_some_and(|name| name == "redo") {
            return Err(Failure::new("No redoing redos"));
        }
        self.dispatch(&words)
    }

    fn show_history(&self) {
        let first = self.history.len().saturating_sub(HISTORY_SHOWN);
        for (index, line) in self.history.iter().enumerate().skip(first) {
            say!("{index} - {line}");
        }
        say!("{} - history", self.history.len());
    }

    fn print_watches(&self, switch: Option<&str>) {
        match switch {
            None => {
                let on = self.print_watches.load(Ordering::Relaxed);
                say!("printwatches is {}", if on { "on" } else { "off" });
            }
            Some(switch) => self.print_watches.store(switch == "on", Ordering::Relaxed),
        }
    }

    /// Closes the session; returns the exit code of the last command.
    pub(super) fn leave(mut self) -> u8 {
        drop(io::stdout().flush());
        if let Some(client) = self.client.take() {
            self.runtime.block_on(client.close());
        }
        self.exit_code
    }
}
