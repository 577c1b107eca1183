//! A change of the membership is cut, and fails, at each operation of the disk: the next start finds the old one or the
//! new one, whole, never a mixture.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::path::{Path, PathBuf};

use storage::disk::Fault;
use storage::membership::MembershipFiles;
use storage::{Disk, SimulatedDisk};

const CONFIG: &str = "/conf/zoo.cfg";
const OLD: &str = "server.1=a\nserver.2=b";
const NEW: &str = "server.1=a\nserver.2=b\nserver.3=c";
const PROPOSED: &str = "server.1=a\nserver.2=b\nserver.3=c\nversion=9";

fn edit(old: &[u8], dynamic: &Path) -> Vec<u8> {
    let old = String::from_utf8(old.to_vec()).unwrap();
    let kept: Vec<&str> = old.lines().filter(|line| !line.starts_with("dynamic")).collect();
    format!("{}\ndynamicConfigFile={}\n", kept.join("\n"), dynamic.display()).into_bytes()
}

fn files(disk: &SimulatedDisk) -> MembershipFiles<SimulatedDisk> {
    MembershipFiles::new(disk.clone(), PathBuf::from(CONFIG))
}

/// A server with the old membership.
fn before() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new("/conf")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.put(Path::new(CONFIG), b"tickTime=1\n").unwrap();
    files(&disk).activate(5, OLD.as_bytes(), edit).unwrap();
    disk
}

fn change(disk: &SimulatedDisk) -> std::io::Result<()> {
    let files = files(disk);
    files.propose(PROPOSED.as_bytes())?;
    files.activate(9, NEW.as_bytes(), edit)?;
    files.forget_proposed()
}

/// What a start finds: the membership in force, and the proposed one.
fn found(disk: &SimulatedDisk) -> (String, Option<String>) {
    let text = |path: &Path| String::from_utf8(disk.read(path).unwrap()).unwrap();
    let config = text(Path::new(CONFIG));
    assert!(config.starts_with("tickTime=1\n"), "{config}");
    let dynamic = config.lines().find_map(|line| line.strip_prefix("dynamicConfigFile=")).unwrap();
    let next = files(disk).next();
    (text(Path::new(dynamic)), disk.exists(&next).unwrap().then(|| text(&next)))
}

fn check(disk: &SimulatedDisk, case: &str) -> bool {
    let (in_force, proposed) = found(disk);
    assert!([OLD, NEW].contains(&in_force.as_str()), "{case}: {in_force}");
    assert!(proposed.as_deref().is_none_or(|proposed| proposed == PROPOSED), "{case}: {proposed:?}");
    in_force == NEW
}

#[test]
fn a_crash_at_any_step_leaves_the_old_or_the_new_membership() {
    let base = before();
    let whole = base.fork();
    change(&whole).unwrap();
    assert_eq!(found(&whole), (NEW.to_owned(), None));
    let operations = base.operations()..whole.operations();
    assert!(operations.clone().count() > 10);
    let mut outcomes = (0, 0);
    for operation in operations {
        for seed in 0..8 {
            for fault in [Fault::Cut, Fault::Eio, Fault::NoSpace] {
                let case = format!("operation {operation}, {fault:?}, seed {seed}");
                let disk = base.fork();
                disk.fail_at(operation, fault);
                let is_done = change(&disk).is_ok();
                disk.crash(seed);
                let is_new = check(&disk, &case);
                assert!(is_new || !is_done, "{case}: what was told done is lost");
                if is_new {
                    outcomes.1 += 1
                } else {
                    outcomes.0 += 1
                }
                // The next attempt finds everything as it needs it.
                change(&disk).unwrap();
                assert!(check(&disk, &case));
            }
        }
    }
    assert!(outcomes.0 > 0 && outcomes.1 > 0, "{outcomes:?}");
}

#[test]
fn what_a_start_found_survives_the_next_power_loss() {
    let base = before();
    let whole = base.fork();
    change(&whole).unwrap();
    let mut new = 0;
    for operation in base.operations()..whole.operations() {
        for seed in 0..8 {
            let disk = base.fork();
            disk.fail_at(operation, Fault::Cut);
            assert!(change(&disk).is_err());
            disk.kill();
            files(&disk).settle().unwrap();
            let at_start = found(&disk);
            disk.crash(seed);
            assert_eq!(found(&disk), at_start, "operation {operation}, seed {seed}");
            new += usize::from(at_start.0 == NEW);
        }
    }
    assert!(new > 0);
}

#[test]
fn the_file_before_the_first_change_is_kept() {
    let disk = before();
    files(&disk).back_up().unwrap();
    let kept = disk.read(Path::new("/conf/zoo.cfg.bak")).unwrap();
    assert_eq!(kept, disk.read(Path::new(CONFIG)).unwrap());
}
