//! What the fuzzer throws bytes at, and what must hold whatever they are: no panic, no endless loop, every
//! refusal a sentence, and what is packed comes out again.
//!
//! The fuzzer (`tests/fuzz/Cargo.toml`) and the plain test over its corpus (`tests/action/corpus.rs`) share
//! these functions.

mod answers;
mod door;
mod memory;

/// A target.
pub type Target = fn(&[u8]);

/// All targets by name; each has a folder of that name in the corpus.
pub const ALL: [(&str, Target); 10] = [
    ("affected", door::affected),
    ("answers", answers::answers),
    ("comment", memory::comment),
    ("config", door::config),
    ("event", door::event),
    ("inputs", door::inputs),
    ("patterns", door::patterns),
    ("plan", door::plan),
    ("state", memory::state),
    ("workflow", door::workflow),
];

/// Runs the target of that name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = ALL.iter().find(|(known, _)| *known == name).map(|(_, target)| target);
    target.unwrap_or_else(|| panic!("no target is called {name}"))(bytes);
}

/// Each refusal must be a sentence.
fn told<'a>(refusals: impl IntoIterator<Item = &'a String>) {
    let mut any = false;
    for refusal in refusals {
        any = true;
        assert!(refusal.trim().len() > 5, "a refusal that says nothing: {refusal:?}");
    }
    assert!(any, "a refusal without a word");
}

/// The bytes as the files and variables they stand for are read: UTF-8, or refused before.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
