//! Load on an ensemble while somebody else breaks it, and the proof afterwards that nothing acknowledged was lost.
//!
//! Writers set, create, delete and read nodes of their own and know what each must hold; quiet sessions keep an ephemeral node
//! and a watch. All of them move to another server when theirs is gone. Commands come as lines on standard input; each is
//! answered by one line, and a `problem:` line says what must not be.

mod check;
mod gaps;
mod logs;
mod model;
mod quiet;
mod replay;
mod roamer;
mod writer;

use std::error::Error;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gaps::Gaps;
use quiet::Quiet;
use roamer::Roamer;
use writer::Writer;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a run is made of.
pub(crate) struct Plan {
    pub(crate) addresses: Vec<SocketAddr>,
    /// All nodes of the run are below it.
    pub(crate) base: String,
    pub(crate) writers: usize,
    pub(crate) quiet: usize,
    /// Requests that a writer keeps outstanding.
    pub(crate) window: usize,
    /// Writes a second of all writers; 0: as many as are answered.
    pub(crate) rate: u64,
    /// Writes in all; 0: until told to stop.
    pub(crate) writes: u64,
    pub(crate) seed: u64,
    pub(crate) timeout_ms: i32,
    /// How long a server may be silent before its sessions move.
    pub(crate) patience: Duration,
}

/// Problems beyond these are only counted.
const PROBLEMS_SHOWN_MAX: u64 = 20;
const POKE_MAX: Duration = Duration::from_secs(40);

/// What all sessions share.
struct Run {
    plan: Plan,
    began: Instant,
    /// Writers send no more.
    over: AtomicBool,
    /// Writers send no more for a while; how many of them have noticed.
    paused: AtomicBool,
    parked: AtomicUsize,
    /// Quiet sessions end too.
    ended: AtomicBool,
    /// The highest zxid that was acknowledged to anybody: whatever is sent from now on must get a higher one.
    newest: AtomicI64,
    /// Raised when every session is to go to the server of its number.
    spread: AtomicU64,
    left: AtomicI64,
    /// Writes a second of all writers; 0: as many as are answered.
    rate: AtomicU64,
    gaps: Mutex<Gaps>,
    problems: AtomicU64,
    expired: AtomicU64,
    moves: AtomicU64,
}

impl Run {
    fn problem(&self, text: &str) {
        let number = self.problems.fetch_add(1, Ordering::Relaxed);
        if number < PROBLEMS_SHOWN_MAX {
            println!("problem: {text}");
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn path(&self, below: &str) -> String {
        format!("{}{below}", self.plan.base)
    }

    fn since_start(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }
}

pub(crate) fn run(plan: Plan) -> Result<bool> {
    let left = if plan.writes == 0 { i64::MAX } else { plan.writes as i64 };
    let run = Run {
        began: Instant::now(),
        over: AtomicBool::new(false),
        paused: AtomicBool::new(false),
        parked: AtomicUsize::new(0),
        ended: AtomicBool::new(false),
        newest: AtomicI64::new(0),
        spread: AtomicU64::new(0),
        left: AtomicI64::new(left),
        rate: AtomicU64::new(plan.rate),
        gaps: Mutex::new(Gaps::new()),
        problems: AtomicU64::new(0),
        expired: AtomicU64::new(0),
        moves: AtomicU64::new(0),
        plan,
    };
    prepare(&run)?;
    let quiet: Vec<Quiet> = (0..run.plan.quiet).map(Quiet::new).collect();
    std::thread::scope(|scope| {
        for session in &quiet {
            scope.spawn(|| session.live(&run));
        }
        let start = |number| {
            scope.spawn({
                let run = &run;
                move || Writer::begin(run, number).work()
            })
        };
        let writers: Vec<_> = (0..run.plan.writers).map(start).collect();
        println!("ready writers={} quiet={}", run.plan.writers, quiet.len());
        let mut desk = Desk {
            run: &run,
            quiet: &quiet,
            running: writers,
            done: Vec::new(),
            poker: Roamer::new(0),
            pokes: 0,
            tree: None,
        };
        let outcome = desk.serve();
        run.over.store(true, Ordering::Relaxed);
        run.ended.store(true, Ordering::Relaxed);
        outcome
    })?;
    Ok(run.problems.load(Ordering::Relaxed) == 0)
}

fn prepare(run: &Run) -> Result<()> {
    let mut roamer = Roamer::new(0);
    for path in ["", quiet::EPHEMERALS, quiet::WATCHED] {
        roamer.create_surely(run, &run.path(path), b"0")?;
    }
    roamer.close();
    Ok(())
}

/// Takes the commands.
struct Desk<'scope, 'run> {
    run: &'run Run,
    quiet: &'run [Quiet],
    running: Vec<std::thread::ScopedJoinHandle<'scope, Writer<'run>>>,
    done: Vec<Writer<'run>>,
    poker: Roamer,
    pokes: u64,
    /// What the servers had at the last `check`.
    tree: Option<check::Tree>,
}

impl Desk<'_, '_> {
    fn serve(&mut self) -> Result<()> {
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["mark", name] => self.mark(name),
                ["poke"] => self.poke()?,
                ["spread"] => {
                    self.run.spread.fetch_add(1, Ordering::Relaxed);
                    println!("spread");
                }
                ["rate", number] => {
                    self.run.rate.store(number.parse()?, Ordering::Relaxed);
                    println!("rate");
                }
                ["pause"] => self.pause(),
                ["resume"] => {
                    self.run.paused.store(false, Ordering::SeqCst);
                    println!("resume");
                }
                ["equal", rest @ ..] => {
                    let (addresses, skipped) = places(rest)?;
                    println!("equal nodes={}", check::equal(self.run, &addresses, &skipped)?.len());
                }
                ["stop"] => self.stop(true)?,
                ["finish"] => self.stop(false)?,
                ["check", rest @ ..] => self.check(rest)?,
                ["logs", folders @ ..] => self.logs(folders, false)?,
                ["replay", folders @ ..] => self.logs(folders, true)?,
                ["close"] => self.close()?,
                ["quit"] => break,
                _ => println!("problem: unknown command {line}"),
            }
        }
        Ok(())
    }

    /// What was acknowledged since the mark before, and the longest time without.
    fn mark(&mut self, name: &str) {
        let report = self.run.gaps.lock().map(|mut gaps| gaps.mark()).unwrap_or_default();
        let (expired, moves) =
            (self.run.expired.load(Ordering::Relaxed), self.run.moves.load(Ordering::Relaxed));
        let problems = self.run.problems.load(Ordering::Relaxed);
        println!("mark {name} {report} moves={moves} expired={expired} problems={problems}");
    }

    /// Until no writer has anything outstanding.
    fn pause(&self) {
        self.run.paused.store(true, Ordering::SeqCst);
        let began = Instant::now();
        while self.run.parked.load(Ordering::SeqCst) < self.running.len() {
            if began.elapsed() > POKE_MAX {
                return self.run.problem("the writers do not come to rest");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        println!("pause");
    }

    /// Changes the watched node; every quiet session must be told, and must then read the new value.
    fn poke(&mut self) -> Result<()> {
        self.pokes += 1;
        let began = Instant::now();
        self.poker.set_surely(self.run, &self.run.path(quiet::WATCHED), self.pokes.to_string().as_bytes())?;
        self.leave_poker();
        let told = || self.quiet.iter().filter(|quiet| quiet.seen() >= self.pokes).count();
        while told() < self.quiet.len() && began.elapsed() < POKE_MAX {
            std::thread::sleep(Duration::from_millis(10));
        }
        if told() < self.quiet.len() {
            self.run.problem(&format!(
                "{} of {} watches never fired",
                self.quiet.len() - told(),
                self.quiet.len()
            ));
        }
        println!("poke told={} ms={}", told(), began.elapsed().as_millis());
        Ok(())
    }

    /// Its session would expire before it is needed again.
    fn leave_poker(&mut self) {
        self.poker.close();
        self.poker = Roamer::new(0);
    }

    /// Waits until every writer has its last reply; `now`: they send no more, else each goes on to its share.
    fn stop(&mut self, now: bool) -> Result<()> {
        if now {
            self.run.over.store(true, Ordering::Relaxed);
        }
        for writer in self.running.drain(..) {
            self.done.push(writer.join().map_err(|_| "a writer failed")?);
        }
        self.run.over.store(true, Ordering::Relaxed);
        let sum = |count: &dyn Fn(&Writer) -> u64| self.done.iter().map(count).sum::<u64>();
        let servers: Vec<String> = (0..self.run.plan.addresses.len())
            .map(|server| sum(&|writer| writer.model.by_server.get(server).copied().unwrap_or(0)).to_string())
            .collect();
        println!(
            "stopped acknowledged={} unknown={} reads={} by_server={}",
            sum(&|writer| writer.model.acks.len() as u64),
            sum(&|writer| writer.model.unknown_total),
            sum(&|writer| writer.model.reads),
            servers.join(",")
        );
        Ok(())
    }

    fn check(&mut self, words: &[&str]) -> Result<()> {
        let (skipped, addresses): (Vec<&str>, Vec<&str>) =
            words.iter().partition(|word| word.starts_with('/'));
        let addresses =
            addresses.iter().map(|text| text.parse()).collect::<std::result::Result<Vec<_>, _>>()?;
        let (tree, summary) = check::run(self.run, &self.done, self.quiet, &addresses, &skipped)?;
        self.tree = Some(tree);
        println!("checked {summary} problems={}", self.run.problems.load(Ordering::Relaxed));
        Ok(())
    }

    /// `replay`: from the first transaction on, and the tree that was checked before must come of it.
    fn logs(&mut self, folders: &[&str], replay: bool) -> Result<()> {
        let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
        let tree = self.tree.as_ref().filter(|_| replay);
        if replay && tree.is_none() {
            self.run.problem("there is no tree to compare with, `check` comes first");
        }
        let summary = logs::check(self.run, &self.done, &folders, tree)?;
        println!("{} {summary}", if replay { "replay" } else { "logs" });
        Ok(())
    }

    /// Ends the quiet sessions; their ephemeral nodes must go.
    fn close(&mut self) -> Result<()> {
        self.run.ended.store(true, Ordering::Relaxed);
        let began = Instant::now();
        loop {
            let left = self.poker.count_children(self.run, &self.run.path(quiet::EPHEMERALS))?;
            if left == 0 || began.elapsed() > POKE_MAX {
                if left > 0 {
                    self.run
                        .problem(&format!("{left} ephemeral nodes stay after their sessions were closed"));
                }
                self.leave_poker();
                println!("closed left={left} ms={}", began.elapsed().as_millis());
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Addresses to look at, and paths to leave out.
fn places<'text>(words: &[&'text str]) -> Result<(Vec<SocketAddr>, Vec<&'text str>)> {
    let (skipped, addresses): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.starts_with('/'));
    let addresses = addresses.iter().map(|text| text.parse()).collect::<std::result::Result<Vec<_>, _>>()?;
    Ok((addresses, skipped))
}
