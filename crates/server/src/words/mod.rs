//! The four-letter words: raw text before any session, then the connection closes.

mod environment;
pub(crate) mod member;
mod monitor;
mod reports;
mod text;

use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;

use replica::Mode;

use crate::shell::{Shared, lock};
use crate::version;
use reports::{Reports, tree_digests};

/// What `gtmk` says until `stmk` says otherwise.
// zk: ZooTrace.traceMask
pub(crate) const TRACE_MASK_DEFAULT: i64 = 0o462;

/// What telnet sends when its user interrupts it: nothing is answered.
const TELNET_INTERRUPT: [u8; 4] = [0xff, 0xf4, 0xff, 0xfd];

/// The answer to `word`; `rest` is the mask of `stmk`.
// zk: CommandExecutor, FourLetterCommands
pub(crate) async fn answer(shared: &Shared, word: [u8; 4], rest: &[u8]) -> Vec<u8> {
    if word == TELNET_INTERRUPT {
        return Vec::new();
    }
    let name = String::from_utf8_lossy(&word).into_owned();
    if !shared.settings.words.allows(&name) {
        tracing::debug!(word = name, "a four-letter word that is not in the whitelist");
        return format!("{name} is not executed because it is not in the whitelist.\n").into_bytes();
    }
    tracing::debug!(word = name, "four-letter word");
    run(shared, &name, rest).await.into_bytes()
}

async fn run(shared: &Shared, name: &str, rest: &[u8]) -> String {
    match name {
        "ruok" => return "imok".to_owned(),
        "envi" => return environment::text(),
        "gtmk" => return shared.trace_mask.load(Relaxed).to_string(),
        "stmk" => return set_trace_mask(shared, rest),
        "isro" if shared.serves_clients() && shared.mode() == Some(Mode::ReadOnly) => return "ro".to_owned(),
        "isro" if shared.serves_clients() => return "rw".to_owned(),
        "isro" => return "null".to_owned(),
        "hash" if !shared.serves_clients() => return text::NOT_SERVING.to_owned(),
        _ if !shared.serves_clients() => return format!("{}\n", text::NOT_SERVING),
        _ => {}
    }
    match name {
        "conf" => shared.conf(),
        "cons" => shared.connections(false),
        "crst" => {
            shared.clients.reset_stats();
            "Connection stats reset.\n".to_owned()
        }
        "dirs" => shared.dir_sizes(),
        "dump" => shared.dump().await,
        "hash" => tree_digests(&shared.read_state()),
        "mntr" => monitor::text(shared).await,
        "srst" => {
            shared.clients.reset_shares();
            shared.metrics.reset();
            "Server stats reset.\n".to_owned()
        }
        "srvr" => format!("{}{}", head(shared), shared.server_lines()),
        "stat" => stat(shared),
        "wchs" => {
            let summary = lock(&shared.watches).summary();
            text::watch_summary(summary.connections, summary.paths, summary.total)
        }
        "wchc" => shared.watches_by_session(),
        "wchp" => shared.watches_by_path(),
        _ => String::new(),
    }
}

// zk: StatCommand
fn head(shared: &Shared) -> String {
    let read_only = match shared.mode() == Some(Mode::ReadOnly) {
        true => "READ-ONLY mode; serving only read-only clients\n",
        false => "",
    };
    format!("Zookeeper version: {}\n{read_only}", version::full())
}

fn stat(shared: &Shared) -> String {
    let mut out = head(shared) + "Clients:\n";
    let _ = write!(out, "{}{}", shared.connections(true), shared.server_lines());
    out
}

fn set_trace_mask(shared: &Shared, rest: &[u8]) -> String {
    let mask = rest.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
    shared.trace_mask.store(mask, Relaxed);
    mask.to_string()
}
