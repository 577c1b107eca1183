//! Nodes: list, read, write, create, delete.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::{CreateMode, Error, ErrorCode, open_acl};

use super::super::failure::Failure;
use super::super::{print, tree};
use super::acl::parse_acl;
use super::{Context, number};

/// Deletes in one multi of deleteall.
// zk: DeleteAllCommand.exec
const BATCH_DEFAULT: usize = 1000;

// zk: LsCommand.exec
pub(super) async fn ls(context: &mut Context<'_>) -> Result<(), Failure> {
    let watch = context.warn_of_old_form("ls path [watch]", "ls [-w] path")? || context.words.has("w");
    let path = context.word(1).to_owned();
    if context.words.has("R") {
        let mut nodes = tree::DepthFirst::start(context.client, &path, watch).await?;
        while let Some(node) = nodes.next().await? {
            writeln!(context.out, "{node}")?;
        }
        return Ok(());
    }
    let (mut children, stat) = context.client.get_children2(&path, watch).await?;
    children.sort_unstable();
    print::list(context.out, &children)?;
    if context.words.has("s") {
        print::stat(context.out, &stat)?;
    }
    Ok(())
}

// zk: GetCommand.exec
pub(super) async fn get(context: &mut Context<'_>) -> Result<(), Failure> {
    let watch = context.warn_of_old_form("get path [watch]", "get [-s] [-w] path")? || context.words.has("w");
    let (data, stat) = context.client.get_data(context.word(1), watch).await?;
    let data = data.unwrap_or_else(|| b"null".to_vec());
    if context.words.has("x") {
        writeln!(context.out, "{}", print::hex_dump(&data))?;
    } else if context.words.has("b") {
        writeln!(context.out, "{}", STANDARD.encode(&data))?;
    } else {
        writeln!(context.out, "{}", String::from_utf8_lossy(&data))?;
    }
    if context.words.has("s") {
        print::stat(context.out, &stat)?;
    }
    Ok(())
}

// zk: SetCommand.exec
pub(super) async fn set(context: &mut Context<'_>) -> Result<(), Failure> {
    let text = context.word(2);
    let data = if context.words.has("b") {
        STANDARD.decode(text).map_err(|why| Failure::new(format!("the data is not base64: {why}")))?
    } else {
        text.as_bytes().to_vec()
    };
    let stat = context.client.set_data(context.word(1), Some(&data), context.version()?).await?;
    if context.words.has("s") {
        print::stat(context.out, &stat)?;
    }
    Ok(())
}

// zk: CreateCommand.exec
pub(super) async fn create(context: &mut Context<'_>) -> Result<(), Failure> {
    let mode = create_mode(context)?;
    let data = context.words.word(2).map(str::as_bytes);
    let acl = match context.words.word(3) {
        None => open_acl(),
        Some(text) => parse_acl(text, context.err)?,
    };
    match context.client.create(context.word(1), data, &acl, mode).await {
        Ok(path) => Ok(writeln!(context.err, "Created {path}")?),
        Err(why) => {
            if why.is(ErrorCode::EphemeralOnLocalSession) {
                writeln!(context.err, "Unable to create ephemeral node on a local session")?;
            }
            Err(why.into())
        }
    }
}

fn create_mode(context: &Context<'_>) -> Result<CreateMode, Failure> {
    let [ephemeral, sequential, container] = ["e", "s", "c"].map(|option| context.words.has(option));
    let ttl: Option<i64> = match context.words.value("t") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| Failure::new("-t argument must be a long value"))?),
    };
    if container && (ephemeral || sequential) {
        return Err(Failure::new(
            "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.",
        ));
    }
    if ttl.is_some() && ephemeral {
        return Err(Failure::new("TTLs cannot be used with Ephemeral znodes"));
    }
    if ttl.is_some() && container {
        return Err(Failure::new("TTLs cannot be used with Container znodes"));
    }
    if let Some(ttl) = ttl {
        let ttl = u64::try_from(ttl).map_err(|_| Failure::new("ttl must be positive"))?;
        let ttl = Duration::from_millis(ttl);
        return Ok(if sequential {
            CreateMode::PersistentSequentialWithTtl(ttl)
        } else {
            CreateMode::PersistentWithTtl(ttl)
        });
    }
    Ok(match (ephemeral, sequential, container) {
        (true, true, _) => CreateMode::EphemeralSequential,
        (true, false, _) => CreateMode::Ephemeral,
        (false, true, _) => CreateMode::PersistentSequential,
        (false, false, true) => CreateMode::Container,
        (false, false, false) => CreateMode::Persistent,
    })
}

// zk: DeleteCommand.exec
pub(super) async fn delete(context: &mut Context<'_>) -> Result<(), Failure> {
    context.warn_of_old_form("delete path [version]", "delete [-v version] path")?;
    Ok(context.client.delete(context.word(1), context.version()?).await?)
}

// zk: DeleteAllCommand.exec
pub(super) async fn delete_all(context: &mut Context<'_>) -> Result<(), Failure> {
    let batch: i32 = match context.words.value("b") {
        None => i32::try_from(BATCH_DEFAULT).unwrap_or(i32::MAX),
        Some(text) => text.parse().map_err(|_| Failure::new("-b argument must be an int value"))?,
    };
    let batch = usize::try_from(batch).unwrap_or(0);
    if !tree::delete(context.client, context.word(1), batch).await? {
        writeln!(context.err, "Failed to delete some node(s) in the subtree!")?;
    }
    Ok(())
}

// zk: StatCommand.exec
pub(super) async fn stat(context: &mut Context<'_>) -> Result<(), Failure> {
    let watch = context.warn_of_old_form("stat path [watch]", "stat [-w] path")? || context.words.has("w");
    let path = context.word(1);
    match context.client.exists(path, watch).await? {
        Some(stat) => Ok(print::stat(context.out, &stat)?),
        None => Err(Error::Server { code: ErrorCode::NoNode.code(), path: Some(path.to_owned()) }.into()),
    }
}

// zk: SyncCommand.exec
pub(super) async fn sync(context: &mut Context<'_>) -> Result<(), Failure> {
    match context.client.sync(context.word(1)).await {
        Ok(()) => Ok(writeln!(context.out, "Sync is OK")?),
        Err(Error::Server { code, .. }) => Ok(writeln!(context.out, "Sync has failed. rc={code}")?),
        Err(why) => Err(why.into()),
    }
}

pub(super) async fn all_children_number(context: &mut Context<'_>) -> Result<(), Failure> {
    let count = context.client.get_all_children_number(context.word(1)).await?;
    Ok(writeln!(context.out, "{count}")?)
}

/// The version of an operation within a multi, which is a plain word there.
pub(super) fn plain_version(text: Option<&str>) -> Result<i32, Failure> {
    text.map_or(Ok(-1), |text| number(text, "a version"))
}
