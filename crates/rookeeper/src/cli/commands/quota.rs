//! Quotas: limits and counts live in nodes below `/zookeeper/quota`.

use client::{Client, CreateMode, Error, ErrorCode, open_acl};

use super::super::catalogue::Entry;
use super::super::failure::Failure;
use super::super::stats_track::StatsTrack;
use super::super::tree;
use super::{Context, number};

const QUOTA_ROOT: &str = "/zookeeper/quota";
const LIMITS: &str = "zookeeper_limits";
const STATS: &str = "zookeeper_stats";

// zk: ListQuotaCommand.exec
pub(super) async fn list(context: &mut Context<'_>) -> Result<(), Failure> {
    let path = context.word(1).to_owned();
    let limits = format!("{QUOTA_ROOT}{path}/{LIMITS}");
    writeln!(context.err, "absolute path is {limits}")?;
    for (what, node) in [("quota", limits), ("stat", format!("{QUOTA_ROOT}{path}/{STATS}"))] {
        match context.client.get_data(&node, false).await {
            Ok((data, _)) => writeln!(context.out, "Output {what} for {path} {}", parse(&node, data)?)?,
            Err(why) if why.is(ErrorCode::NoNode) => {
                writeln!(context.err, "quota for {path} does not exist.")?;
                break;
            }
            Err(why) => return Err(why.into()),
        }
    }
    Ok(())
}

// zk: SetQuotaCommand.exec
pub(super) async fn set(context: &mut Context<'_>) -> Result<(), Failure> {
    let path = context.word(1).to_owned();
    if path.starts_with(QUOTA_ROOT) {
        writeln!(context.err, "cannot set a quota under the path: {QUOTA_ROOT}")?;
        return Ok(());
    }
    let Some(wanted) = wanted(context)? else { return Ok(()) };
    create(context, &path, wanted).await
}

/// The one limit that the options name; a value that makes no sense is told and nothing is done.
// zk: SetQuotaCommand.checkOptionValue
fn wanted(context: &mut Context<'_>) -> Result<Option<StatsTrack>, Failure> {
    let given: Vec<(&str, &str)> = ["n", "b", "N", "B"]
        .into_iter()
        .filter_map(|option| Some((option, context.words.value(option)?)))
        .collect();
    let (option, value) = match given.as_slice() {
        [] => return Err(Failure::new(Entry::find("setquota").map(Entry::usage).unwrap_or_default())),
        [only] => *only,
        [first, second, ..] => {
            return Err(Failure::new(format!(
                "The option '{}' was specified but an option from this group has already been selected: '{}'",
                second.0, first.0
            )));
        }
    };
    let Ok(value) = number::<i64>(value, "the quota") else {
        writeln!(context.err, "NumberFormatException happens when parsing the option value")?;
        return Ok(None);
    };
    let counts = matches!(option, "n" | "N");
    if counts && value <= 0 {
        writeln!(context.err, "the num quota must be greater than zero")?;
        return Ok(None);
    }
    if value < 0 {
        writeln!(context.err, "the bytes quota must be greater than or equal to zero")?;
        return Ok(None);
    }
    let mut track = StatsTrack::unlimited();
    track.set(key(option), value);
    Ok(Some(track))
}

fn key(option: &str) -> &'static str {
    match option {
        "n" => StatsTrack::COUNT,
        "b" => StatsTrack::BYTES,
        "N" => StatsTrack::COUNT_HARD_LIMIT,
        _ => StatsTrack::BYTE_HARD_LIMIT,
    }
}

// zk: SetQuotaCommand.createQuota
async fn create(context: &mut Context<'_>, path: &str, wanted: StatsTrack) -> Result<(), Failure> {
    let client = context.client;
    if client.exists(path, false).await?.is_none() {
        return Err(Failure::new(format!("{path} does not exist.")));
    }
    refuse_nested(client, path).await?;
    let quota = format!("{QUOTA_ROOT}{path}");
    create_parents(client, &quota).await?;
    let (limits, stats) = (format!("{quota}/{LIMITS}"), format!("{quota}/{STATS}"));
    let merged = if client.exists(&limits, false).await?.is_none() {
        create_node(client, &limits, Some(wanted.to_string().as_bytes())).await?;
        create_node(client, &stats, Some(StatsTrack::zero().to_string().as_bytes())).await?;
        read(client, &limits).await?
    } else {
        let mut merged = read(client, &limits).await?;
        merged.take_over(&wanted);
        client.set_data(&limits, Some(merged.to_string().as_bytes()), -1).await?;
        merged
    };
    warn_if_exceeded(context, &merged, &read(client, &stats).await?)
}

// zk: SetQuotaCommand.checkQuota
fn warn_if_exceeded(
    context: &mut Context<'_>,
    limits: &StatsTrack,
    used: &StatsTrack,
) -> Result<(), Failure> {
    let kinds = [
        ("count", StatsTrack::COUNT, StatsTrack::COUNT_HARD_LIMIT),
        ("bytes", StatsTrack::BYTES, StatsTrack::BYTE_HARD_LIMIT),
    ];
    for (what, soft, hard) in kinds {
        let now = used.get(soft);
        if [soft, hard].iter().map(|key| limits.get(key)).any(|limit| limit > -1 && limit < now) {
            writeln!(
                context.out,
                "[Warning]: the {what} quota you create is less than the existing {what}:{now}"
            )?;
        }
    }
    Ok(())
}

/// No quota may lie within another.
// zk: SetQuotaCommand.checkIfChildQuota, checkIfParentQuota
async fn refuse_nested(client: &Client, path: &str) -> Result<(), Failure> {
    let own = format!("{QUOTA_ROOT}{path}");
    let nodes = match tree::breadth_first(client, &own).await {
        Ok(nodes) => nodes,
        Err(why) if why.is(ErrorCode::NoNode) => Vec::new(),
        Err(why) => return Err(why.into()),
    };
    let holder =
        nodes.iter().filter_map(|node| node.strip_suffix(&format!("/{LIMITS}"))).find(|node| *node != own);
    if let Some(holder) = holder.and_then(|holder| holder.strip_prefix(QUOTA_ROOT)) {
        return Err(Failure::new(format!("{path} has a child {holder} which has a quota")));
    }
    let mut parent = path;
    while let Some((above, _)) = parent.rsplit_once('/').filter(|(above, _)| !above.is_empty()) {
        if client.exists(&format!("{QUOTA_ROOT}{above}/{LIMITS}"), false).await?.is_some() {
            return Err(Failure::new(format!("{path} has a parent {above} which has a quota")));
        }
        parent = above;
    }
    Ok(())
}

/// Creates what is missing; it asks first, for a create in vain costs a transaction.
async fn create_parents(client: &Client, path: &str) -> Result<(), Failure> {
    let ends = path.match_indices('/').skip(1).map(|(at, _)| at).chain([path.len()]);
    for node in ends.filter_map(|end| path.get(..end)) {
        if client.exists(node, false).await?.is_none() {
            create_node(client, node, None).await?;
        }
    }
    Ok(())
}

async fn create_node(client: &Client, path: &str, data: Option<&[u8]>) -> Result<(), Error> {
    match client.create(path, data, &open_acl(), CreateMode::Persistent).await {
        Ok(_) => Ok(()),
        Err(why) if why.is(ErrorCode::NodeExists) => Ok(()),
        Err(why) => Err(why),
    }
}

// zk: DelQuotaCommand.exec, delQuota
pub(super) async fn delete(context: &mut Context<'_>) -> Result<(), Failure> {
    let path = context.word(1).to_owned();
    let quota = format!("{QUOTA_ROOT}{path}");
    let limits = format!("{quota}/{LIMITS}");
    if context.client.exists(&limits, false).await?.is_none() {
        writeln!(context.out, "Quota does not exist for {path}")?;
        return Ok(());
    }
    let chosen: Vec<&str> =
        ["n", "b", "N", "B"].into_iter().filter(|option| context.words.has(option)).collect();
    if chosen.is_empty() {
        return remove(context.client, &quota).await;
    }
    let mut track = read(context.client, &limits).await?;
    for option in chosen {
        track.set(key(option), -1);
    }
    context.client.set_data(&limits, Some(track.to_string().as_bytes()), -1).await?;
    Ok(())
}

/// Removes the quota's nodes, and those above that hold nothing any more.
// zk: DelQuotaCommand.trimProcQuotas
async fn remove(client: &Client, quota: &str) -> Result<(), Failure> {
    for name in client.get_children(quota, false).await? {
        client.delete(&tree::child(quota, &name), -1).await?;
    }
    let mut node = quota;
    while node != QUOTA_ROOT && client.get_children(node, false).await?.is_empty() {
        client.delete(node, -1).await?;
        node = node.rsplit_once('/').map_or(QUOTA_ROOT, |(above, _)| above);
    }
    Ok(())
}

async fn read(client: &Client, node: &str) -> Result<StatsTrack, Failure> {
    let (data, _) = client.get_data(node, false).await?;
    parse(node, data)
}

fn parse(node: &str, data: Option<Vec<u8>>) -> Result<StatsTrack, Failure> {
    let text = String::from_utf8_lossy(data.as_deref().unwrap_or_default()).into_owned();
    StatsTrack::parse(&text).map_err(|why| Failure::new(format!("{node}: {why}")))
}
