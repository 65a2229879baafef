//! Refuses to build a Python package without its rules, which maturin would do in silence.

use std::path::Path;

fn main() {
    let rules = Path::new("../classifier/rules");
    let one = rules.join("services.toml");
    println!("cargo::rerun-if-changed={}", one.display());
    if std::env::var_os("CARGO_FEATURE_PYTHON").is_none() || one.is_file() {
        return;
    }
    if rules.is_file() {
        println!(
            "cargo::error=classifier/rules is a file and not a symbolic link to ../rules; \
             run: git config core.symlinks true && git checkout -- classifier/rules \
             (on Windows with Developer Mode on)"
        );
    } else {
        println!("cargo::error=classifier/rules/services.toml is missing; clone or unpack the source again");
    }
}
