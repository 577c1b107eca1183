//! The commands that ask the server.

mod acl;
mod ensemble;
mod multi;
mod nodes;
mod quota;
mod session;
mod watches;

use std::io::Write;

use client::Client;

use super::catalogue::Ask;
use super::failure::Failure;
use super::flags::Words;

/// What a command works with.
pub(super) struct Context<'c> {
    pub(super) client: &'c Client,
    pub(super) out: &'c mut (dyn Write + Send),
    pub(super) err: &'c mut (dyn Write + Send),
    pub(super) words: Words,
}

/// Runs a command.
pub(super) async fn run(ask: Ask, mut context: Context<'_>) -> Result<(), Failure> {
    let context = &mut context;
    match ask {
        Ask::Ls => nodes::ls(context).await,
        Ask::Get => nodes::get(context).await,
        Ask::Set => nodes::set(context).await,
        Ask::Create => nodes::create(context).await,
        Ask::Delete => nodes::delete(context).await,
        Ask::DeleteAll => nodes::delete_all(context).await,
        Ask::Stat => nodes::stat(context).await,
        Ask::Sync => nodes::sync(context).await,
        Ask::GetAllChildrenNumber => nodes::all_children_number(context).await,
        Ask::GetAcl => acl::get(context).await,
        Ask::SetAcl => acl::set(context).await,
        Ask::AddAuth => session::add_auth(context).await,
        Ask::GetEphemerals => session::ephemerals(context).await,
        Ask::WhoAmI => session::who_am_i(context).await,
        Ask::Version => session::version(context),
        Ask::AddWatch => watches::add(context).await,
        Ask::RemoveWatches => watches::remove(context).await,
        Ask::SetQuota => quota::set(context).await,
        Ask::ListQuota => quota::list(context).await,
        Ask::DelQuota => quota::delete(context).await,
        Ask::Config => ensemble::config(context).await,
        Ask::Reconfig => ensemble::reconfig(context).await,
        Ask::Multi => multi::run(context).await,
    }
}

impl Context<'_> {
    /// A word whose presence the catalogue has checked, or the empty one.
    fn word(&self, index: usize) -> &str {
        self.words.word(index).unwrap_or_default()
    }

    /// The number behind an option, −1 without it.
    fn version(&self) -> Result<i32, Failure> {
        self.words.value("v").map_or(Ok(-1), |text| number(text, "-v"))
    }

    /// Older forms give a flag or a version as a last word; the reference says so and goes on.
    fn warn_of_old_form(&mut self, old: &str, new: &str) -> Result<bool, Failure> {
        let old_form = self.words.word(2).is_some();
        if old_form {
            writeln!(self.err, "'{old}' has been deprecated. Please use '{new}' instead.")?;
        }
        Ok(old_form)
    }
}

/// A number that the user typed.
fn number<N: std::str::FromStr>(text: &str, what: &str) -> Result<N, Failure> {
    text.parse().map_err(|_| Failure::new(format!("{what} must be a number, not \"{text}\"")))
}
