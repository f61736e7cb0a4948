//! The README's examples, each run through the real binary on its own files.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};
use simulated_github::{ChangedFile, Environment, World};

use crate::stage::{PULL, Stage, world};

const ENVIRONMENTS: [&str; 6] = ["dev", "stg", "staging", "prd", "production", "prod"];

fn repository(name: &str) -> World {
    let mut world = world();
    let folder = format!("tests/examples/{name}/.github");
    for environment in ENVIRONMENTS {
        world.environment(Environment::named(environment));
    }
    for entry in fs::read_dir(format!("{folder}/workflows")).unwrap() {
        let path = entry.unwrap().path();
        world.workflow(path.file_name().unwrap().to_str().unwrap(), &fs::read_to_string(&path).unwrap());
    }
    world.file(".github/deployments.yml", &fs::read_to_string(format!("{folder}/deployments.yml")).unwrap());
    world
}

/// `M path`, `D path`, `R old new`: as `git diff --name-status` has it.
fn change(world: &mut World, files: &mut Vec<ChangedFile>, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let file = match words[0] {
        "D" => ChangedFile::removed(words[1]),
        "R" => ChangedFile::renamed(words[1], words[2]),
        _ => ChangedFile::modified(words[1]),
    };
    if words[0] != "D" {
        world.file(&file.path, "");
    }
    files.push(file);
}

/// What comes out, a line a deployment.
fn outcome(name: &str) -> String {
    let folder = format!("tests/examples/{name}");
    let mut world = repository(name);
    let changed = fs::read_to_string(format!("{folder}/changed-files.txt")).unwrap_or_default();
    let listed = fs::read_to_string(format!("{folder}/affected.txt")).unwrap_or_default();
    listed.lines().for_each(|line| world.file(line, ""));
    let mut files = Vec::new();
    changed.lines().for_each(|line| change(&mut world, &mut files, line));
    world.open_pull_request(PULL, "Change things", "octocat").files = files;
    world.merge(PULL, "hubot");
    let mut stage = Stage::new(world, &json!([]));
    stage.set_input("affected", "");
    for list in ["affected.json", "affected.txt"] {
        if let Ok(text) = fs::read_to_string(format!("{folder}/{list}")) {
            fs::write(stage.folder.path().join(list), text).unwrap();
            stage.set_input("affected", list);
        }
    }
    let ended = stage.run();
    ended.expect("succeeded", 0);
    let rows: Vec<Value> = serde_json::from_str(ended.output("deployments")).unwrap();
    let label = |row: &Value| {
        let stack = row["stack"].as_str().map(|stack| format!(" in {stack}")).unwrap_or_default();
        let place = row["environment"].as_str().map(|environment| format!(" → {environment}")).unwrap_or_default();
        format!("{}{stack}{place}", row["component"].as_str().unwrap())
    };
    let told = rows.iter().map(|row| {
        let needs =
            row["needs"].as_array().unwrap().iter().map(|id| label(rows.iter().find(|row| row["id"] == *id).unwrap()));
        let needs: Vec<String> = needs.collect();
        let after = if needs.is_empty() { String::new() } else { format!(", after {}", needs.join(" and ")) };
        let reason = row["reason"]
            .as_str()
            .filter(|reason| !reason.is_empty())
            .map(|reason| format!(": {}", reason.replace('`', "")));
        format!("{}: {}{}{after}\n", label(row), row["status"].as_str().unwrap(), reason.unwrap_or_default())
    });
    told.collect()
}

fn names() -> BTreeSet<String> {
    fs::read_dir("tests/examples").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_example_comes_out_as_it_says() {
    for name in names() {
        let file = format!("tests/examples/{name}/expected.txt");
        let told = outcome(&name);
        if std::env::var_os("UPDATE_EXAMPLES").is_some() {
            fs::write(&file, &told).unwrap();
        }
        assert_eq!(told, fs::read_to_string(&file).unwrap_or_default(), "{name}");
    }
}

#[test]
fn the_readme_shows_every_example_as_it_is_run() {
    let readme = fs::read_to_string("README.md").unwrap();
    let examples = readme.split("\n## Examples\n").nth(1).expect("a heading `Examples`");
    for name in names() {
        for file in [".github/deployments.yml", "expected.txt"] {
            let path = format!("tests/examples/{name}/{file}");
            let text = fs::read_to_string(&path).unwrap();
            assert!(examples.contains(&text), "the README does not show {path} as it is");
        }
        assert!(examples.contains(&format!("tests/examples/{name}")), "no link to {name}");
        assert!(Path::new(&format!("tests/examples/{name}/.github/workflows/deploy.yml")).exists());
    }
}
