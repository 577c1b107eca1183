//! A run of 1,000 transactions with rolls, snapshots and purges is cut at each operation of the disk, and each operation
//! fails: whatever was acknowledged is there afterwards, and nothing that was not appended.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly"
)]

use std::path::Path;
use std::sync::OnceLock;

use jute::snapshot::{DataNode, SnapshotItem};
use jute::txn::{SetDataTxn, TxnHeader};
use jute::{SessionId, Txn, TxnRecord, Zxid};
use storage::disk::Fault;
use storage::{
    FileTail, Load, LogSettings, LogWriter, SimulatedDisk, StorageError, Store, StoreSettings, Trailers,
    epochs,
};

const TRANSACTIONS: i64 = 1000;
const SNAPSHOT_EVERY: i64 = 150;
/// Batches of 1 to 7 records; an epoch ends in the middle.
const EPOCH_AT: i64 = 500;

/// What the world was told before the run ended.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    acknowledged: i64,
    appended: i64,
    accepted_epoch: i64,
}

fn zxid(index: i64) -> Zxid {
    if index <= EPOCH_AT { Zxid(index) } else { Zxid((1 << 32) + index - EPOCH_AT) }
}

fn index(zxid: Zxid) -> i64 {
    if zxid.epoch() == 0 { zxid.0 } else { i64::from(zxid.counter()) + EPOCH_AT }
}

/// What is appended under each index, and the state after it.
fn history(index: i64) -> &'static (Vec<u8>, State) {
    static HISTORY: OnceLock<Vec<(Vec<u8>, State)>> = OnceLock::new();
    let history = HISTORY.get_or_init(|| {
        let mut state = State::EMPTY;
        let mut history = vec![(Vec::new(), state)];
        for index in 1..=TRANSACTIONS {
            let content = content(index);
            state = state.apply(&content);
            history.push((content, state));
        }
        history
    });
    &history[usize::try_from(index).unwrap()]
}

fn content(index: i64) -> Vec<u8> {
    let len = usize::try_from(index * 37 % 700).unwrap();
    let data = Some(vec![u8::try_from(index % 251).unwrap() | 1; len].into());
    let txn = Txn::SetData(SetDataTxn { path: "/a".into(), data, version: 0 });
    let header = TxnHeader {
        client_id: SessionId(7),
        cxid: 1,
        zxid: zxid(index),
        time: index,
        op_code: txn.op_code().code(),
    };
    TxnRecord { header, txn, digest: None }.to_vec()
}

fn settings() -> StoreSettings {
    let log = LogSettings { preallocate_bytes: 16 * 1024, ..LogSettings::default() };
    StoreSettings { log, ..StoreSettings::new(Path::new("/data")) }
}

/// A state that is a list of all contents: here it is their number and a checksum over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    count: i64,
    sum: u64,
}

impl State {
    const EMPTY: Self = Self { count: 0, sum: 0 };

    fn apply(self, content: &[u8]) -> Self {
        let sum =
            content.iter().fold(self.sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        Self { count: self.count + 1, sum }
    }

    fn items(self) -> Vec<SnapshotItem> {
        let data = Some(self.sum.to_be_bytes().to_vec().into());
        let node = |data| DataNode { data, ..DataNode::default() };
        let fill = (0..20).map(|number| SnapshotItem::Node {
            path: format!("/n{number}"),
            node: node(Some(vec![1; 100].into())),
        });
        let mut items = vec![
            SnapshotItem::Sessions(vec![(SessionId(self.count), 1)]),
            SnapshotItem::Acls(vec![]),
            SnapshotItem::Node { path: String::new(), node: node(data) },
        ];
        items.extend(fill);
        items.push(SnapshotItem::End);
        items
    }

    fn push(&mut self, item: SnapshotItem) {
        match item {
            SnapshotItem::Sessions(sessions) => self.count = sessions[0].0.0,
            SnapshotItem::Node { path, node } if path.is_empty() => {
                self.sum = u64::from_be_bytes(node.data.unwrap().as_ref().try_into().unwrap());
            }
            SnapshotItem::Node { .. } | SnapshotItem::Acls(_) | SnapshotItem::End => {}
        }
    }
}

/// Starts, runs to the end or to the first error of the log, and notes what was told.
fn run(disk: &SimulatedDisk, told: &mut Told) -> Result<(), StorageError> {
    let store = Store::open(disk.clone(), settings())?;
    let mut state = recover(&store)?.0;
    let mut log = store.log_writer(zxid(state.count));
    epochs::load(disk, store.snapshot_dir(), zxid(state.count))?;
    while state.count < TRANSACTIONS {
        let batch = (state.count * 5 % 7 + 1).min(TRANSACTIONS - state.count);
        for _ in 0..batch {
            let (content, after) = history(state.count + 1);
            log.append(zxid(state.count + 1), content)?;
            state = *after;
        }
        told.appended = told.appended.max(state.count);
        let commit = log.commit()?;
        told.acknowledged = index(commit.zxid);
        if (state.count - batch) / SNAPSHOT_EVERY < state.count / SNAPSHOT_EVERY {
            roll_and_snapshot(&store, &mut log, state, told)?;
        }
    }
    Ok(())
}

fn roll_and_snapshot(
    store: &Store<SimulatedDisk>,
    log: &mut LogWriter<SimulatedDisk>,
    state: State,
    told: &mut Told,
) -> Result<(), StorageError> {
    log.roll();
    write_snapshot(store, state)?;
    store.purge(3)?;
    let epoch = state.count / SNAPSHOT_EVERY + 1;
    epochs::write_accepted(store.disk(), store.snapshot_dir(), epoch)?;
    told.accepted_epoch = epoch;
    Ok(())
}

fn write_snapshot(store: &Store<SimulatedDisk>, state: State) -> Result<(), StorageError> {
    let mut writer = store.snapshot_writer(zxid(state.count))?;
    state.items().iter().try_for_each(|item| writer.push(item))?;
    writer.finish(Trailers { digest: None, last_processed: Some(zxid(state.count)) }).map(drop)
}

/// Recovers as the replica does, into a fresh state for each candidate.
fn recover(store: &Store<SimulatedDisk>) -> Result<(State, Vec<FileTail>), StorageError> {
    match store.load()? {
        Load::Fresh => write_snapshot(store, State::EMPTY)?,
        Load::Snapshots => {}
        load @ (Load::LogsOnly | Load::Lost) => panic!("{load:?}"),
    }
    for candidate in store.candidates()? {
        let mut state = State::EMPTY;
        let items = store.read_snapshot(&candidate)?.try_for_each(|item| {
            state.push(item?);
            Ok::<_, StorageError>(())
        });
        match items {
            Err(StorageError::Corrupt(_)) => continue,
            outcome => outcome?,
        }
        assert_eq!(index(candidate.zxid), state.count);
        let mut records = store.records_after(candidate.zxid)?;
        for record in records.by_ref() {
            let record = record?;
            let (content, after) = history(state.count + 1);
            assert_eq!(record.content, content, "a record that was appended, in its place");
            state = *after;
        }
        store.settle_snapshot(&candidate)?;
        let tails = records.into_tails();
        store.settle(&tails)?;
        return Ok((state, tails));
    }
    panic!("no snapshot holds");
}

/// Restarts and compares with what was told; then runs to the end.
fn check(disk: &SimulatedDisk, told: Told, context: &str) -> State {
    let store = Store::open(disk.clone(), settings()).unwrap_or_else(|error| panic!("{context}: {error}"));
    let (state, _) = recover(&store).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(state.count >= told.acknowledged, "{context}: {} of {told:?}", state.count);
    assert!(state.count <= told.appended, "{context}: {} of {told:?}", state.count);
    assert_eq!(state, history(state.count).1, "{context}");
    let epochs = epochs::load(disk, store.snapshot_dir(), Zxid(0))
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(epochs.accepted >= told.accepted_epoch, "{context}: {epochs:?} of {told:?}");
    state
}

fn operations_of_a_run() -> u64 {
    let disk = SimulatedDisk::new();
    let mut told = Told::default();
    run(&disk, &mut told).unwrap();
    assert_eq!(told.acknowledged, TRANSACTIONS);
    disk.operations()
}

#[test]
fn a_cut_at_any_operation_loses_nothing_that_was_acknowledged() {
    let operations = operations_of_a_run();
    assert!(operations > 500, "{operations}");
    for operation in 0..operations {
        let cut = SimulatedDisk::new();
        let mut told = Told::default();
        cut.fail_at(operation, Fault::Cut);
        assert!(run(&cut, &mut told).is_err());
        for seed in 0..3 {
            let disk = cut.fork();
            disk.crash(operation * 31 + seed);
            check(&disk, told, &format!("operation {operation} seed {seed}"));
        }
    }
}

#[test]
fn the_run_goes_on_after_crashes_and_a_power_loss_during_recovery() {
    for seed in 0..60 {
        let disk = SimulatedDisk::new();
        let mut told = Told::default();
        for round in 0..6 {
            disk.fail_at(disk.operations() + seed * 7 % 90 + 20 * round, Fault::Cut);
            if run(&disk, &mut told).is_ok() {
                break;
            }
            disk.crash(seed * 100 + round);
            let fault = if round % 2 == 0 { Fault::Cut } else { Fault::Eio };
            disk.fail_at(disk.operations() + round, fault);
            let _ = Store::open(disk.clone(), settings()).and_then(|store| recover(&store));
            disk.crash(seed * 1000 + round);
            check(&disk, told, &format!("seed {seed} round {round}"));
        }
        run(&disk, &mut told).unwrap();
        assert_eq!(check(&disk, told, "end").count, TRANSACTIONS);
    }
}

#[test]
fn a_failing_operation_acknowledges_nothing_that_is_lost() {
    let operations = operations_of_a_run();
    for operation in 0..operations {
        for fault in [Fault::Eio, Fault::NoSpace] {
            let disk = SimulatedDisk::new();
            let mut told = Told::default();
            disk.fail_at(operation, fault);
            assert!(run(&disk, &mut told).is_err(), "the run ends with the first error");
            disk.crash(operation);
            check(&disk, told, &format!("{fault:?} at {operation}"));
        }
    }
}

#[test]
fn l5_what_recovery_read_from_the_cache_survives_the_next_power_loss() {
    for seed in 0..100 {
        let disk = SimulatedDisk::new();
        let mut told = Told::default();
        disk.fail_at(disk.operations() + 40 + seed * 3, Fault::Cut);
        assert!(run(&disk, &mut told).is_err());
        disk.kill();
        let store = Store::open(disk.clone(), settings()).unwrap();
        let (seen, _) = recover(&store).unwrap();
        told.acknowledged = seen.count;
        disk.crash(seed);
        check(&disk, told, &format!("seed {seed}"));
    }
}

#[test]
fn a_cut_at_any_operation_of_a_truncation_leaves_no_gap() {
    let start = SimulatedDisk::new();
    start.fail_at(420, Fault::Cut);
    assert!(run(&start, &mut Told::default()).is_err());
    start.kill();
    let (state, _) = recover(&Store::open(start.clone(), settings()).unwrap()).unwrap();
    assert!(state.count > 330, "{state:?}");
    // Within the newest file, and two files and snapshots back.
    for target in [321, 140] {
        let mut is_done = false;
        for nth in 0.. {
            for seed in 0..10 {
                let disk = start.fork();
                let store = Store::open(disk.clone(), settings()).unwrap();
                disk.fail_at(disk.operations() + nth, Fault::Cut);
                is_done = store.truncate(zxid(target)).is_ok();
                disk.crash(seed);
                let told = Told { acknowledged: target, appended: state.count, accepted_epoch: 0 };
                let found = check(&disk, told, &format!("target {target} operation {nth} seed {seed}"));
                assert!(!is_done || found.count == target);
                let store = Store::open(disk.clone(), settings()).unwrap();
                assert_eq!(store.truncate(zxid(target)).unwrap(), zxid(target));
                assert_eq!(recover(&store).unwrap().0.count, target);
            }
            if is_done {
                break;
            }
        }
        assert!(is_done);
    }
}
