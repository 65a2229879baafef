//! Replays the fuzzers' corpus without a fuzzer.

#[path = "../fuzz/checks/mod.rs"]
mod checks;

use std::fs;
use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&corpus).expect("the corpus of the repository") {
        let path = entry.expect("a directory entry").path();
        let input = fs::read(&path).expect("a readable file");
        // Shown only if the check fails.
        println!("{}", path.display());
        check(&input);
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", corpus.display());
}

#[test]
fn capture() {
    replay("capture", checks::capture);
}

#[test]
fn wire() {
    replay("wire", checks::wire);
}

#[test]
fn meter() {
    replay("meter", checks::meter);
}

#[test]
fn payload() {
    replay("payload", checks::payload);
}
