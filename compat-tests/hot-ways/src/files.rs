//! What the log and snapshots cost, on a real disk but without a sync: files lie in the page cache.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use jute::txn::CreateTxn;
use jute::{Txn, TxnRecord, Zxid};
use storage::{LogReader, LogSettings, LogWriter, RealDisk, Store, StoreSettings, Trailers};
use tree::snapshot::{Builder, View};
use tree::{State, StateSettings};

use crate::Operation;
use crate::requests::set_record;
use crate::world::{data, node};

/// Records of one append.
const BATCH: usize = 64;
/// Records of the log that is read.
const RECORDS: usize = 1000;
/// Znodes of the snapshot, ten under each parent.
const ZNODES: usize = 10_000;
/// Children of each parent.
const CHILDREN: usize = 10;
/// Items of one slice of a snapshot.
const SLICE_ITEMS: usize = 1024;
/// A log that grew so far is left for a new one.
const LOG_BYTES_MAX: u64 = 32 << 20;

/// Encodes a batch of setData transactions and appends it with one write.
pub(crate) fn append() -> Operation {
    let scratch = Scratch::new().expect("a directory for the log");
    let mut log = writer(scratch.path());
    let mut record = set_record(&node(1), Zxid(0));
    let mut buffer = Vec::new();
    Box::new(move || {
        if log.written_bytes() > LOG_BYTES_MAX {
            scratch.empty().expect("the log is removed");
            log = writer(scratch.path());
        }
        append_some(&mut log, &mut record, &mut buffer, BATCH).expect("the log can be written");
    })
}

/// Reads a log and decodes its transactions.
pub(crate) fn decode() -> Operation {
    let scratch = Scratch::new().expect("a directory for the log");
    let mut record = set_record(&node(1), Zxid(0));
    append_some(&mut writer(scratch.path()), &mut record, &mut Vec::new(), RECORDS)
        .expect("the log can be written");
    Box::new(move || assert_eq!(count(scratch.path()).expect("the log can be read"), RECORDS))
}

/// Reads a snapshot from its file into a state.
pub(crate) fn load() -> Operation {
    let scratch = Scratch::new().expect("a directory for the snapshot");
    let store = Store::open(RealDisk, StoreSettings::new(scratch.path())).expect("an empty store");
    save(&store, &mut large_state()).expect("the snapshot can be written");
    Box::new(move || {
        let _kept = &scratch;
        assert!(read(&store).expect("the snapshot can be read").node_count() > ZNODES);
    })
}

fn writer(dir: &Path) -> LogWriter<RealDisk> {
    let settings = LogSettings { force_sync: false, ..LogSettings::default() };
    LogWriter::new(RealDisk, dir, settings, Zxid(0))
}

fn append_some(
    log: &mut LogWriter<RealDisk>,
    record: &mut TxnRecord,
    buffer: &mut Vec<u8>,
    count: usize,
) -> Result<()> {
    for _ in 0..count {
        record.header.zxid = Zxid(record.header.zxid.0 + 1);
        buffer.clear();
        record.encode(buffer);
        log.append(record.header.zxid, buffer)?;
    }
    log.commit()?;
    Ok(())
}

fn count(dir: &Path) -> Result<usize> {
    let mut count = 0;
    for record in LogReader::unanchored(&RealDisk, dir, Zxid(0))? {
        std::hint::black_box(record?.decode()?);
        count += 1;
    }
    Ok(count)
}

fn large_state() -> State {
    let mut state = State::new(StateSettings::default());
    for number in 0..ZNODES / (CHILDREN + 1) + 1 {
        let parent = node(number);
        grow(&mut state, parent.clone());
        (0..CHILDREN).for_each(|child| grow(&mut state, format!("{parent}/child-{child}")));
    }
    state
}

fn grow(state: &mut State, path: String) {
    let mut record = set_record("", Zxid(state.last_processed_zxid().0 + 1));
    record.txn =
        Txn::Create(CreateTxn { path, data: Some(data()), acl: None, ephemeral: false, parent_cversion: -1 });
    record.header.op_code = record.txn.op_code().code();
    state.apply(&record, &mut |_| ()).expect("invariant: parents come first");
}

fn save(store: &Store<RealDisk>, state: &mut State) -> Result<()> {
    let mut view = View::begin(state);
    let mut writer = store.snapshot_writer(view.zxid())?;
    while !view.is_finished() {
        for item in view.next_slice(state, SLICE_ITEMS)? {
            writer.push(&item)?;
        }
    }
    writer.finish(Trailers::default())?;
    Ok(())
}

fn read(store: &Store<RealDisk>) -> Result<State> {
    let candidate = store.candidates()?.pop().context("a snapshot")?;
    let mut builder = Builder::new(StateSettings::default());
    for item in store.read_snapshot(&candidate)? {
        builder.push(item?)?;
    }
    Ok(builder.finish(candidate.zxid)?)
}

/// A directory that goes with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rookeeper-hot-ways-{}-{number}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn empty(&self) -> Result<()> {
        for entry in std::fs::read_dir(&self.0)? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left lies among temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
