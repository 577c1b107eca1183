//! Every input that was ever worth keeping, through the target it belongs to.

use std::path::Path;

use rookeeper_fuzz::TARGETS;

/// All in one test: targets count the heap, which is shared.
#[test]
fn corpora() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut folders: Vec<String> = std::fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort_unstable();
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(folders, names, "each target has a corpus, and each corpus a target");
    for target in TARGETS {
        let mut inputs: Vec<_> =
            std::fs::read_dir(corpus.join(target.name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort_unstable();
        assert!(!inputs.is_empty(), "{} has an empty corpus", target.name);
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap();
            let outcome = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(outcome.is_ok(), "{} breaks {}", input.display(), target.name);
        }
    }
}
