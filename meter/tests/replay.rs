//! What the fuzzers found worth keeping, checked again without a fuzzer.

#[path = "../fuzz/checks/mod.rs"]
mod checks;

use std::fs;
use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&corpus).expect("the corpus is in the repository") {
        let path = entry.expect("it can be listed").path();
        let input = fs::read(&path).expect("it can be read");
        // Shown only if the check fails: which input it was.
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
