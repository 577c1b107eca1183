//! The session and who it belongs to.

use super::super::failure::Failure;
use super::super::print;
use super::Context;

// zk: AddAuthCommand.exec
pub(super) async fn add_auth(context: &mut Context<'_>) -> Result<(), Failure> {
    let data = context.words.word(2).unwrap_or_default().as_bytes();
    Ok(context.client.add_auth(context.word(1), data).await?)
}

// zk: GetEphemeralsCommand.exec
pub(super) async fn ephemerals(context: &mut Context<'_>) -> Result<(), Failure> {
    let paths = context.client.get_ephemerals(context.words.word(1).unwrap_or("/")).await?;
    Ok(print::list(context.out, &paths)?)
}

// zk: WhoAmICommand.exec
pub(super) async fn who_am_i(context: &mut Context<'_>) -> Result<(), Failure> {
    let identities = context.client.who_am_i().await?;
    writeln!(context.out, "Auth scheme: User")?;
    for identity in identities {
        writeln!(context.out, "{}: {}", identity.auth_scheme, identity.user)?;
    }
    Ok(())
}

// zk: VersionCommand.exec
pub(super) fn version(context: &mut Context<'_>) -> Result<(), Failure> {
    Ok(writeln!(context.out, "ZooKeeper CLI version: {}", crate::version::FULL)?)
}
