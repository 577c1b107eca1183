//! Snapshots with anything in them, plain and compressed.

use std::path::{Path, PathBuf};

use jute::snapshot::{SnapshotDecoder, SnapshotItem};
use jute::{Reader, Zxid};
use storage::{
    Compression, SimulatedDisk, SnapshotReader, SnapshotWriter, StorageError, Trailers, snapshot_name,
};
use tree::snapshot::{Builder, View};
use tree::{State, StateSettings};

const DIR: &str = "/snapshots";
const ZXID: Zxid = Zxid(5);
/// Nodes in one slice of a picture; few, so that there are several slices.
const SLICE_ITEMS: usize = 3;

/// The first byte chooses what the rest is: a snapshot in one of three compressions, or a stream of items.
pub fn snapshot(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    let compression = compression(*choice);
    let items = if choice % 4 == 3 { decode(rest) } else { read(rest, compression) };
    let Some(mut state) = items.filter(|items| items.iter().all(can_be_written)).and_then(build) else {
        return;
    };
    let written = write(&mut state, compression);
    let again = read(&written, compression).and_then(build).expect("what we write we do not load");
    assert_eq!(again.digest(), state.digest(), "the state changes on its way through a file");
    assert_eq!(again.node_count(), state.node_count());
    assert_eq!(again.approximate_data_size(), state.approximate_data_size());
    assert_eq!(again.ephemerals_count(), state.ephemerals_count());
    assert!(again.sessions().eq(state.sessions()));
}

/// Characters beyond the basic plane change when they are written and read, as they do in the reference, which lets
/// nobody create such a path.
fn can_be_written(item: &SnapshotItem) -> bool {
    match item {
        SnapshotItem::Node { path, .. } => path.chars().all(|character| character <= '\u{ffff}'),
        SnapshotItem::Sessions(_) | SnapshotItem::Acls(_) | SnapshotItem::End => true,
    }
}

fn compression(choice: u8) -> Compression {
    match choice / 4 % 3 {
        0 => Compression::None,
        1 => Compression::Gzip,
        _ => Compression::Snappy,
    }
}

/// Items without header, seal and trailers: fuzzers do not find checksums by themselves.
fn decode(bytes: &[u8]) -> Option<Vec<SnapshotItem>> {
    let mut reader = Reader::from_slice(bytes);
    let mut decoder = SnapshotDecoder::new();
    let mut items = Vec::new();
    while let Some(item) = decoder.next(&mut reader).ok()? {
        let is_end = item == SnapshotItem::End;
        items.push(item);
        if is_end {
            return Some(items);
        }
    }
    None
}

fn read(file: &[u8], compression: Compression) -> Option<Vec<SnapshotItem>> {
    let disk = SimulatedDisk::new();
    let path = path(compression);
    disk.put(&path, file).expect("invariant: nothing was told to fail");
    let reader = SnapshotReader::open(&disk, &path, compression).ok()?;
    reader.collect::<Result<Vec<_>, StorageError>>().ok()
}

fn build(items: Vec<SnapshotItem>) -> Option<State> {
    let mut builder =
        Builder::new(StateSettings { extended_types_enabled: true, ..StateSettings::default() });
    items.into_iter().try_for_each(|item| builder.push(item)).ok()?;
    builder.finish(ZXID).ok()
}

fn write(state: &mut State, compression: Compression) -> Vec<u8> {
    let disk = SimulatedDisk::new();
    disk.put(&path(compression), b"").expect("invariant: nothing was told to fail");
    let mut view = View::begin(state);
    let dir = Path::new(DIR);
    let mut writer =
        SnapshotWriter::create(&disk, dir, ZXID, compression).expect("invariant: the disk works");
    while !view.is_finished() {
        for item in view.next_slice(state, SLICE_ITEMS).expect("invariant: nobody took the picture away") {
            writer.push(&item).expect("invariant: the disk works");
        }
    }
    writer.finish(Trailers::default()).expect("invariant: the disk works");
    disk.read(&path(compression)).expect("invariant: the disk works")
}

fn path(compression: Compression) -> PathBuf {
    Path::new(DIR).join(snapshot_name(ZXID, compression))
}
