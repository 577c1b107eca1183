use super::*;

fn disk_with_file() -> (SimulatedDisk, SimulatedFile) {
    let disk = SimulatedDisk::new();
    let file = disk.create(Path::new("/f")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    (disk, file)
}

#[test]
fn what_is_synced_survives_every_crash() {
    for seed in 0..50 {
        let (disk, mut file) = disk_with_file();
        file.write_at(0, &[7; 2000]).unwrap();
        file.sync().unwrap();
        disk.crash(seed);
        assert_eq!(disk.read(Path::new("/f")).unwrap(), vec![7; 2000], "seed {seed}");
    }
}

#[test]
fn unsynced_sectors_and_lengths_are_lost_in_some_crash_and_kept_in_another() {
    let outcomes: std::collections::BTreeSet<_> = (0..60)
        .map(|seed| {
            let (disk, mut file) = disk_with_file();
            file.write_at(0, &[7; 1024]).unwrap();
            disk.crash(seed);
            disk.read(Path::new("/f")).unwrap()
        })
        .collect();
    assert!(outcomes.contains(&Vec::new()));
    assert!(outcomes.contains(&vec![7; 1024]));
    assert!(outcomes.iter().any(|bytes| bytes.len() == 1024 && bytes[0] == 0 && bytes[1023] == 7));
}

#[test]
fn an_entry_needs_a_sync_of_its_directory() {
    let lost = (0..20).filter(|seed| {
        let disk = SimulatedDisk::new();
        disk.create(Path::new("/f")).unwrap().sync().unwrap();
        disk.crash(*seed);
        !disk.exists(Path::new("/f")).unwrap()
    });
    assert!((1..20).contains(&lost.count()));
}

#[test]
fn after_a_failed_sync_the_next_one_lies() {
    let (disk, mut file) = disk_with_file();
    file.write_at(0, b"gone").unwrap();
    disk.fail_at(disk.operations(), Fault::Eio);
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(EIO));
    file.sync().unwrap();
    assert_eq!(disk.read(Path::new("/f")).unwrap(), b"gone");
    disk.crash(3);
    assert_eq!(disk.read(Path::new("/f")).unwrap(), [0; 4]);
}

#[test]
fn after_the_cut_everything_fails_until_the_crash() {
    let (disk, mut file) = disk_with_file();
    disk.fail_at(disk.operations(), Fault::Cut);
    assert!(file.write_at(0, b"x").is_err());
    assert!(file.sync().is_err() && disk.list(Path::new("/")).is_err() && disk.is_cut());
    disk.crash(1);
    assert!(disk.list(Path::new("/")).is_ok());
    assert!(file.sync().is_err(), "the handle belongs to the old process");
}

#[test]
fn a_cut_file_reads_as_zeros_when_it_grows_again() {
    let (disk, mut file) = disk_with_file();
    file.write_at(0, &[9; 700]).unwrap();
    file.set_len(10).unwrap();
    file.set_len(700).unwrap();
    let content = disk.read(Path::new("/f")).unwrap();
    assert!(content[..10].iter().all(|byte| *byte == 9) && content[10..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_mended_disk_forgets_planned_faults() {
    let (disk, mut file) = disk_with_file();
    disk.fail_at(disk.operations(), Fault::Eio);
    disk.fail_at(disk.operations() + 1, Fault::Cut);
    disk.mend();
    file.write_at(0, b"kept").unwrap();
    file.sync().unwrap();
    disk.crash(3);
    assert_eq!(disk.read(Path::new("/f")).unwrap(), b"kept");
}
