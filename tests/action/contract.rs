//! `action.yml`, the typed inputs and outputs, and the README's tables say the same.

use std::{collections::BTreeMap, fs};

use deployment_approvals::{inputs::DEFAULTS, post::POST, report::outputs::NAMES};
use serde_json::Value;

fn action() -> Value {
    serde_saphyr::from_str(&fs::read_to_string("action.yml").unwrap()).unwrap()
}

/// The first cells of the README's table below a heading, with the second ones.
fn table(heading: &str) -> BTreeMap<String, String> {
    let readme = fs::read_to_string("README.md").unwrap();
    let section = readme.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no heading {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let mut rows = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        for name in cells[0].split(", ") {
            rows.insert(name.trim_matches('`').to_owned(), cells[1].trim_matches('`').to_owned());
        }
    }
    rows
}

#[test]
fn the_inputs_are_the_same_in_action_yml_in_the_code_and_in_the_readme() {
    let action = action();
    let declared: BTreeMap<String, String> = action["inputs"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, input)| (name.clone(), input["default"].as_str().unwrap().to_owned()))
        .collect();
    let typed: BTreeMap<String, String> =
        DEFAULTS.iter().map(|(name, default)| ((*name).to_owned(), (*default).to_owned())).collect();
    assert_eq!(declared, typed);
    assert_eq!(declared, table("Inputs"));
}

#[test]
fn the_outputs_are_the_same_in_action_yml_in_the_code_and_in_the_readme() {
    let action = action();
    let declared: Vec<&String> = action["outputs"].as_object().unwrap().keys().collect();
    let mut typed: Vec<&str> = NAMES.to_vec();
    let mut declared: Vec<&str> = declared.into_iter().map(String::as_str).collect();
    declared.sort_unstable();
    typed.sort_unstable();
    assert_eq!(declared, typed);
    assert_eq!(table("Outputs").keys().map(String::as_str).collect::<Vec<_>>(), typed);
}

#[test]
fn the_image_has_both_names_of_the_program() {
    let action = action();
    assert_eq!(action["runs"]["post-entrypoint"], format!("/{POST}"));
    let dockerfile = fs::read_to_string("Dockerfile").unwrap();
    assert!(dockerfile.contains(&format!("/out/{POST}")), "the link is made");
}

#[test]
fn the_readme_has_every_check_as_the_code_has_it() {
    let readme = fs::read_to_string("README.md").unwrap();
    let section = readme.split("\n## Checks before anything is applied\n").nth(1).expect("the heading");
    let rows: Vec<&str> =
        section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `")).collect();
    let wanted: Vec<String> = deployment_approvals::checks::ALL
        .iter()
        .map(|row| format!("| `{}` | {} | {} | {} |", row.code, row.severity, row.shape, row.remedy))
        .collect();
    assert_eq!(rows, wanted, "the table as the code has it:\n{}", wanted.join("\n"));
}

#[test]
fn the_headings_of_the_troubleshooting_are_the_programs_own_words() {
    let mut sources = String::new();
    let mut folders = vec![std::path::PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => folders.push(entry),
                false => sources += &fs::read_to_string(entry).unwrap(),
            }
        }
    }
    // Long literals go on in the next line.
    let lines = sources.split("\\\n").map(str::trim_start);
    let sources = lines.collect::<String>();
    let readme = fs::read_to_string("README.md").unwrap();
    let section = readme.split("\n## Troubleshooting\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let headings: Vec<&str> =
        section.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    assert!(headings.len() > 8, "{headings:?}");
    for heading in headings {
        for piece in heading.split('…').map(str::trim).filter(|piece| !piece.is_empty()) {
            assert!(sources.contains(piece), "`{piece}` of `{heading}` is not what the program says");
        }
    }
}
