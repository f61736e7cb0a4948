//! What the fuzzer found worth keeping, as plain tests: no panic, and nothing takes long.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::targets;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

/// The files of one target, sorted.
fn files(target: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(corpus().join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn play(name: &str) {
    let files = files(name);
    assert!(files.len() >= 12, "the corpus of {name} has {} files", files.len());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let begin = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| targets::run(name, &bytes)));
        assert!(ended.is_ok(), "{}", file.display());
        assert!(begin.elapsed() < Duration::from_secs(1), "{}: {:?}", file.display(), begin.elapsed());
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { play(stringify!($name)); })*
    };
}

targets!(affected answers comment config event inputs patterns plan state workflow);

#[test]
fn every_target_has_a_test_a_program_and_a_small_corpus() {
    let all: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(TESTED, all);
    let manifest = fs::read_to_string(corpus().parent().unwrap().join("Cargo.toml")).unwrap();
    let bytes: u64 = all.iter().flat_map(|name| files(name)).map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(bytes < 300_000, "the corpus has {bytes} bytes");
    assert!(all.iter().all(|name| manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz.rs\""))));
}
