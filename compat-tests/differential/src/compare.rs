//! The whole differential run: lockstep, pipelined, then the trees; and once more with other settings.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;

use crate::acls;
use crate::lockstep::{Run, SIDES};
use crate::op;
use crate::paths::{Paths, QUOTAS};
use crate::request::{Change, Request, shown};
use crate::servers::Server;
use crate::table::Table;
use crate::walk::{Node, Walker, digest};
use crate::wire::{Writer, escaped};
use crate::writes::quota_text;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SESSIONS: usize = 8;
const WINDOW: usize = 30;
const SHOWN_MAX: usize = 20;

/// What the command line asks for.
pub(crate) struct Plan<'a> {
    pub(crate) reference: &'a str,
    pub(crate) candidate: &'a str,
    pub(crate) folder: &'a Path,
    pub(crate) seed: u64,
    pub(crate) requests: u64,
}

/// Settings of both servers: `(name, zoo.cfg, flags, share of the requests in percent)`.
const VARIANTS: &[(&str, &[&str], &str, u64)] = &[
    ("TTL nodes on", &["extendedTypesEnabled=true"], "", 90),
    ("TTL nodes off, reconfig on", &["reconfigEnabled=true"], "", 10),
];
const COMMON: &[&str] = &[
    "forceSync=no",
    "minSessionTimeout=60000",
    "maxSessionTimeout=600000",
    "enforceQuota=true",
    "DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=",
];
const NO_CONTAINER_CHECKS: &str = "-Dznode.container.checkIntervalMs=1000000000";

pub(crate) fn run(plan: &Plan<'_>) -> Result<bool> {
    println!("differential run: seed {}, {} requests", plan.seed, plan.requests);
    let mut table = Table::default();
    let mut problems = 0;
    for (number, (name, settings, flags, share)) in VARIANTS.iter().enumerate() {
        let settings: Vec<&str> = COMMON.iter().chain(*settings).copied().collect();
        let flags = format!("{NO_CONTAINER_CHECKS} {flags}");
        let start = |command, side: &str| {
            Server::start(command, &plan.folder.join(format!("{side}-{number}")), &settings, &flags)
        };
        let servers = [start(plan.reference, SIDES[0])?, start(plan.candidate, SIDES[1])?];
        let addresses = [servers[0].address, servers[1].address];
        let seed = plan.seed.wrapping_add(number as u64);
        let outcome = variant(addresses, seed, plan.requests * share / 100, &mut table);
        match outcome {
            Ok(0) => println!("{name}: equal"),
            Ok(count) => {
                println!("{name}: {count} differences");
                problems += count;
            }
            Err(error) => {
                let words: Vec<String> = servers.iter().map(Server::last_words).collect();
                println!(
                    "{name}: {error}\nlast words of the reference:\n{}\nand of the candidate:\n{}",
                    words[0], words[1]
                );
                problems += 1;
            }
        }
    }
    table.print();
    let (all, ok) = table.totals();
    println!("{all} replies, {ok} of them OK");
    let missing =
        if problems == 0 { table.missing((plan.requests / 10_000).clamp(1, 100)) } else { Vec::new() };
    missing.iter().for_each(|pair| println!("too rare: {pair}"));
    if ok * 2 < all {
        println!("fewer than half of the replies are OK");
    }
    Ok(problems == 0 && missing.is_empty() && ok * 2 >= all)
}

/// How many differences there are.
fn variant(addresses: [SocketAddr; 2], seed: u64, requests: u64, table: &mut Table) -> Result<usize> {
    let mut run =
        Run::new(addresses, seed, Paths { base: b"/d".to_vec(), private: false, old_replay: false });
    for _ in 0..SESSIONS {
        run.add_slot()?;
    }
    prepare(&mut run)?;
    run.go(requests * 8 / 10, 1)?;
    println!("lockstep: {} requests, {} sessions, {} nodes", run.asked, run.sessions, run.model.len());
    println!("passed over as listed in COMPAT.md: {}", run.passed_over);
    let mut differences = run.differences.len();
    table.add(&run.table);
    let mut runs = vec![run];
    if differences == 0 {
        let pipelined = pipelined(addresses, seed, requests * 2 / 10)?;
        for run in &pipelined {
            differences += run.differences.len();
            table.add(&run.table);
        }
        println!("pipelined: {} requests", pipelined.iter().map(|run| run.asked).sum::<u64>());
        runs.extend(pipelined);
    }
    Ok(differences + trees(addresses, &runs)?)
}

/// Every session has a part of the tree for itself and keeps requests in flight.
fn pipelined(addresses: [SocketAddr; 2], seed: u64, requests: u64) -> Result<Vec<Run>> {
    let one = |number: usize| -> std::result::Result<Run, String> {
        let base = format!("/p{number}").into_bytes();
        let mut run = Run::new(
            addresses,
            seed.wrapping_mul(31).wrapping_add(number as u64),
            Paths { base, private: true, old_replay: false },
        );
        let mut go = || -> Result<()> {
            run.add_slot()?;
            prepare(&mut run)?;
            run.go(requests / SESSIONS as u64, WINDOW)
        };
        go().map_err(|error| error.to_string())?;
        Ok(run)
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..SESSIONS).map(|number| scope.spawn(move || one(number))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread of the run failed".to_owned()))
            .collect()
    });
    results.into_iter().map(|result| result.and_then(|run| run).map_err(Into::into)).collect()
}

fn prepare(run: &mut Run) -> Result<()> {
    // The reference checks quotas against what is applied, not against what is under way: pipelined, it races.
    let quotas = !run.paths.private;
    preparation(&run.paths, quotas)
        .iter()
        .try_for_each(|request| run.exchange(0, std::slice::from_ref(request)))
}

/// Creates the base node, the nodes for quotas, and the quotas.
pub(crate) fn preparation(paths: &Paths, quotas: bool) -> Vec<Request> {
    let create = |path: &[u8], data: &str| {
        let body = acls::write(Writer::default().buffer(Some(path)).string(data), acls::OPEN).int(0);
        Request::new(op::CREATE, body, shown(Some(path)))
    };
    let quota = [b"/zookeeper/quota", &paths.base[..]].concat();
    let mut requests = vec![create(&paths.base, "")];
    if quotas {
        requests.push(create(&quota, ""));
    }
    for index in 0..QUOTAS {
        let name = format!("/q{index}");
        let known = Change::Create { ephemeral: false, stored_owner: 0 };
        requests.push(create(&[&paths.base, name.as_bytes()].concat(), "").changing(known));
        if quotas {
            let quota = [&quota, name.as_bytes()].concat();
            requests.push(create(&quota, ""));
            requests.push(create(&[&quota[..], b"/zookeeper_limits"].concat(), &quota_text(index, 0)));
            requests.push(create(&[&quota[..], b"/zookeeper_stats"].concat(), "count=1,bytes=0"));
        }
    }
    requests
}

/// Compares every node and the digest; how many differences there are.
fn trees(addresses: [SocketAddr; 2], runs: &[Run]) -> Result<usize> {
    let mut differences = 0;
    let mut trees = Vec::new();
    for side in 0..2 {
        let mut walker = Walker::begin(addresses[side])?;
        let kept = walker.kept_digest(b"/d")?;
        let mut normal = crate::reply::Normal { hide_reply_zxids: true, ..Default::default() };
        for run in runs {
            normal.sessions.extend(run.sides[side].normal.sessions.iter().map(|(id, number)| (*id, *number)));
        }
        // The pipelined sessions ran beside each other: their zxids are in no fixed order.
        normal.hide_all_zxids = runs.len() > 1;
        let tree = walker.tree(&normal)?;
        let owner = |path: &[u8]| {
            runs.iter().find_map(|run| run.model.known(path)).map_or(0, |known| known.stored_owner)
        };
        let walked = digest(&tree, owner);
        println!("{}: {} nodes, digest {kept}", SIDES[side], tree.len());
        if walked != kept {
            println!("DIFFERENT: {} keeps the digest {kept}, its nodes have {walked}", SIDES[side]);
            differences += 1;
        }
        trees.push(tree);
    }
    let all: std::collections::BTreeSet<&Vec<u8>> = trees[0].keys().chain(trees[1].keys()).collect();
    let text = |side: usize, path: &Vec<u8>| trees[side].get(path).map(|node: &Node| node.normal.as_str());
    for path in all {
        let texts = [text(0, path), text(1, path)];
        if texts[0] != texts[1] {
            differences += 1;
            if differences <= SHOWN_MAX {
                println!("DIFFERENT: {}\n  {:?}\n  {:?}", escaped(path), texts[0], texts[1]);
            }
        }
    }
    Ok(differences)
}
