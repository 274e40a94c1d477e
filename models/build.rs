//! Takes sources of the program as they are, without their tests, and gives them threads, locks and
//! atomics whose order the scheduler chooses.

use std::fs;
use std::path::Path;

/// What every source taken has replaced.
const ALWAYS: [(&str, &str); 6] = [
    ("std::sync::atomic", "shuttle::sync::atomic"),
    ("std::sync::Arc", "shuttle::sync::Arc"),
    ("std::thread", "shuttle::thread"),
    ("parking_lot", "crate::sync"),
    ("crossbeam_channel", "crate::channel"),
    ("log::error!", "eprintln!"),
];

const TAKEN: [(&str, &str); 3] = [
    ("node/stay.rs", "stay.rs"),
    ("threadpool.rs", "threadpool.rs"),
    ("node/outbox.rs", "outbox.rs"),
];

fn main() {
    let out = std::env::var("OUT_DIR").expect("cargo says where");
    for (source, name) in TAKEN {
        let path = Path::new("../src").join(source);
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let code = text.split("#[cfg(test)]").next().expect("it begins with code");
        let lines = code.lines().filter(|line| !line.starts_with("//!"));
        let mut code = lines.collect::<Vec<_>>().join("\n");
        for (from, to) in ALWAYS {
            code = code.replace(from, to);
        }
        fs::write(Path::new(&out).join(name), code).expect("a file for the compiler");
    }
}
