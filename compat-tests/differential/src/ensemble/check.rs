//! After the run: the same tree on every server, and in it all that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::Result;
use super::Run;
use super::model::{Ack, Child, Model};
use super::quiet::Quiet;
use super::writer::Writer;
use crate::op;
use crate::reply::Normal;
use crate::walk::{Node, Stat, Walker};
use crate::wire::{Writer as Body, escaped};

pub(super) type Tree = BTreeMap<Vec<u8>, Node>;

const CONFIG: &[u8] = b"/zookeeper/config";
/// Paths shown of a difference.
const SHOWN_MAX: usize = 3;

/// `skipped`: nodes whose content may differ between servers, with what is below them.
pub(super) fn run(
    run: &Run,
    writers: &[Writer<'_>],
    quiet: &[Quiet],
    addresses: &[SocketAddr],
    skipped: &[&str],
) -> Result<(Tree, String)> {
    let tree = equal(run, addresses, skipped)?;
    for writer in writers {
        values(run, &writer.model, &tree);
        children(run, &writer.model, &tree);
    }
    let alive = ephemerals(run, quiet, &tree);
    let acknowledged = in_order(run, writers);
    let summary = format!(
        "servers={} nodes={} ephemerals={alive} acknowledged={acknowledged}",
        addresses.len(),
        tree.len()
    );
    Ok((tree, summary))
}

/// The tree of the first server, to which those of all others are equal, or the difference is a problem.
pub(super) fn equal(run: &Run, addresses: &[SocketAddr], skipped: &[&str]) -> Result<Tree> {
    let mut trees = Vec::new();
    for address in addresses {
        trees.push(read(*address, skipped)?);
    }
    let mut trees = trees.into_iter().zip(addresses);
    let Some((first, name)) = trees.next() else { return Err("no address to compare".into()) };
    for (tree, address) in trees {
        compare(run, &first, &tree, &format!("{name} and {address}"));
    }
    Ok(first)
}

fn read(address: SocketAddr, skipped: &[&str]) -> Result<Tree> {
    let mut walker = Walker::begin(address)?;
    let (err, _) = walker.call(op::SYNC, &Body::default().string("/"))?;
    if err != 0 {
        return Err(format!("sync at {address}: {}", op::error_name(err)).into());
    }
    let mut tree = walker.tree(&Normal::default())?;
    // Each server of the reference sets it at its own start, by its own clock.
    if let Some(config) = tree.get_mut(CONFIG) {
        config.stat.times = [0, 0];
    }
    tree.retain(|path, _| !skipped.iter().any(|skipped| path.starts_with(skipped.as_bytes())));
    Ok(tree)
}

fn compare(run: &Run, one: &Tree, other: &Tree, names: &str) {
    let paths: BTreeSet<&Vec<u8>> = one.keys().chain(other.keys()).collect();
    let differing: Vec<&Vec<u8>> =
        paths.into_iter().filter(|path| !alike(one.get(*path), other.get(*path))).collect();
    for path in differing.iter().take(SHOWN_MAX) {
        run.problem(&format!(
            "{names} differ at {}:\n  {:?}\n  {:?}",
            escaped(path),
            shown(one.get(*path)),
            shown(other.get(*path))
        ));
    }
    if differing.len() > SHOWN_MAX {
        run.problem(&format!("{names} differ at {} nodes", differing.len()));
    }
}

fn alike(one: Option<&Node>, other: Option<&Node>) -> bool {
    let all = |node: Option<&Node>| node.map(|node| (node.data.clone(), node.acl.clone(), node.stat));
    all(one) == all(other)
}

/// All that a client can see of a node.
fn shown(node: Option<&Node>) -> Option<String> {
    node.map(|node| {
        let data =
            node.data.as_deref().map_or_else(|| "null".to_owned(), |data| format!("\"{}\"", escaped(data)));
        let Stat { zxids, times, versions, owner, length, children } = node.stat;
        let stat = format!("zxids={zxids:x?} times={times:?} versions={versions:?} owner={owner:#x}");
        format!("{data} {} {stat} length={length} children={children}", node.acl)
    })
}

fn values(run: &Run, model: &Model, tree: &Tree) {
    for node in 0..model.values.len() {
        let path = model.value_path(node);
        let wrong = match tree.get(path.as_bytes()) {
            Some(found) => model.shown(node, found.data.as_deref(), &found.stat),
            None if model.values.get(node).is_some_and(|value| value.version < 0) => None,
            None => Some(format!("{path} is gone")),
        };
        if let Some(wrong) = wrong {
            run.problem(&wrong);
        }
    }
}

fn children(run: &Run, model: &Model, tree: &Tree) {
    let prefix = model.child_path(0).trim_end_matches('0').to_owned();
    for (number, child) in &model.children {
        let found = tree.get(model.child_path(*number).as_bytes());
        let wrong = match (child, found) {
            (Child::Created { .. }, None) => Some("was acknowledged and is gone".to_owned()),
            (Child::MayExist | Child::MayBeGone { .. }, None) => None,
            (Child::MayExist, Some(node)) => mismatch(*number, None, node),
            (Child::Created { czxid } | Child::MayBeGone { czxid }, Some(node)) => {
                mismatch(*number, Some(*czxid), node)
            }
        };
        if let Some(wrong) = wrong {
            run.problem(&format!("{prefix}{number} {wrong}"));
        }
    }
    let range =
        tree.range(prefix.clone().into_bytes()..).take_while(|(path, _)| path.starts_with(prefix.as_bytes()));
    for (path, _) in range {
        let number = Model::number_in(path.get(prefix.len()..));
        if !number.is_some_and(|number| model.children.contains_key(&number)) {
            run.problem(&format!("{} was deleted, or never created", escaped(path)));
        }
    }
}

fn mismatch(number: u64, czxid: Option<i64>, node: &Node) -> Option<String> {
    let found = (Model::number_in(node.data.as_deref()), node.stat.zxids[0]);
    let right = found.0 == Some(number) && czxid.is_none_or(|czxid| czxid == found.1);
    (!right).then(|| format!("has {found:x?}, its creation had {czxid:x?}"))
}

fn ephemerals(run: &Run, quiet: &[Quiet], tree: &Tree) -> usize {
    let mut alive = 0;
    for session in quiet {
        let path = session.path(run);
        match tree.get(path.as_bytes()) {
            Some(node) if node.stat.owner == session.session() => alive += 1,
            Some(node) => run.problem(&format!(
                "{path} belongs to {:#x}, not to {:#x}",
                node.stat.owner,
                session.session()
            )),
            None => run.problem(&format!("{path} is gone, session {:#x} lives", session.session())),
        }
    }
    alive
}

/// Over all writers: no zxid twice, and what was acknowledged before another was sent has the lower zxid.
fn in_order(run: &Run, writers: &[Writer<'_>]) -> usize {
    let mut acks: Vec<Ack> = writers.iter().flat_map(|writer| writer.model.acks.iter().copied()).collect();
    acks.sort_unstable_by_key(|ack| ack.zxid);
    for pair in acks.windows(2) {
        if let [one, other] = pair
            && one.zxid == other.zxid
        {
            run.problem(&format!("zxid {:#x} was acknowledged twice: {one:?} {other:?}", one.zxid));
        }
    }
    let mut earliest_ack_above = u64::MAX;
    for ack in acks.iter().rev() {
        if ack.sent_us > earliest_ack_above {
            run.problem(&format!("{ack:?} was sent after a higher zxid was acknowledged"));
        }
        earliest_ack_above = earliest_ack_above.min(ack.acknowledged_us);
    }
    acks.len()
}
