//! Whole subtrees, node by node; other clients may change them meanwhile.

use std::collections::VecDeque;

use client::{Client, Error, ErrorCode, Op};

/// A node and all below it, parents before children, level by level.
// zk: ZKUtil.listSubTreeBFS
pub(super) async fn breadth_first(client: &Client, root: &str) -> Result<Vec<String>, Error> {
    let mut tree = vec![root.to_owned()];
    let mut next = 0;
    while let Some(node) = tree.get(next).cloned() {
        for name in client.get_children(&node, false).await? {
            tree.push(child(&node, &name));
        }
        next += 1;
    }
    Ok(tree)
}

/// Goes through a subtree: the children of a node in order, then what is below each of them.
// zk: ZKUtil.visitSubTreeDFS: a node that goes away meanwhile is passed over, only the root must be there
pub(super) struct DepthFirst<'c> {
    client: &'c Client,
    watch: bool,
    /// Paths to hand out before anything else is asked for.
    ready: VecDeque<String>,
    /// Nodes whose children are not known yet, the next one last.
    unlisted: Vec<String>,
}

impl<'c> DepthFirst<'c> {
    pub(super) async fn start(client: &'c Client, root: &str, watch: bool) -> Result<Self, Error> {
        client.get_data(root, watch).await?;
        let root = root.to_owned();
        Ok(Self { client, watch, ready: VecDeque::from([root.clone()]), unlisted: vec![root] })
    }

    pub(super) async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(path) = self.ready.pop_front() {
                return Ok(Some(path));
            }
            let Some(node) = self.unlisted.pop() else { return Ok(None) };
            let mut names = match self.client.get_children(&node, self.watch).await {
                Ok(names) => names,
                Err(why) if why.is(ErrorCode::NoNode) => continue,
                Err(why) => return Err(why),
            };
            names.sort_unstable();
            self.ready.extend(names.iter().map(|name| child(&node, name)));
            self.unlisted.extend(names.iter().rev().map(|name| child(&node, name)));
        }
    }
}

/// Deletes a node and all below it, leaves first, in multis of `batch` deletes. `false`: some were not deleted.
// zk: ZKUtil.deleteRecursive
pub(super) async fn delete(client: &Client, root: &str, batch: usize) -> Result<bool, Error> {
    let tree = breadth_first(client, root).await?;
    if batch == 0 {
        for path in tree.iter().rev() {
            client.delete(path, -1).await?;
        }
        return Ok(true);
    }
    let ops: Vec<Op> = tree.into_iter().rev().map(|path| Op::Delete { path, version: -1 }).collect();
    for ops in ops.chunks(batch) {
        match client.multi(ops).await {
            Ok(_) => {}
            Err(Error::Server { .. } | Error::Multi { .. }) => return Ok(false),
            Err(why) => return Err(why),
        }
    }
    Ok(true)
}

/// The path of a child.
pub(super) fn child(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}
