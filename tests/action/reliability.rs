//! The README's figures are those that the tests insist on.

use std::fs;

use crate::{chaos, crashes, faults, model, targets};

#[test]
fn the_readme_says_no_more_than_the_tests_insist_on() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let section = readme.split_once("## Reliability\n").unwrap().1.split_once("\n## ").unwrap().0;
    for said in [
        format!("more than {} points", crashes::PROMISED),
        format!("{} faults, at each of more than {} requests", faults::KINDS, faults::PROMISED),
        format!("{} worlds", chaos::WORLDS),
        format!("{} worlds", model::WORLDS),
    ] {
        assert!(section.contains(&said), "the README does not say: {said}");
    }
    for (name, _) in targets::ALL {
        assert!(section.contains(&format!("| `{name}` |")), "the README does not tell of the target {name}");
    }
}
