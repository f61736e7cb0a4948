//! Bad input: one clear error, outputs set all the same. Inputs that are of no use stop before anything is
//! asked of GitHub; what is wrong with a list is shown in the comment, and nothing is dispatched.

use std::fs;

use serde_json::json;

use crate::stage::{Ended, Stage, component, world};

fn refused(stage: &Stage) -> Ended {
    let ended = stage.run();
    ended.expect("failed", 1);
    let errors: Vec<&str> = ended.log.lines().filter(|line| line.starts_with("::error::")).collect();
    assert_eq!(errors.len(), 1, "one error: {}", ended.log);
    assert_eq!(stage.github.world(|world| world.exchanges.len()), 0, "nothing is asked: {}", ended.log);
    assert_eq!(ended.output("deployments"), "[]");
    ended
}

fn stage() -> Stage {
    Stage::new(world(), &json!([component("vpc", "plat-dev", "dev", &[])]))
}

#[track_caller]
fn says(stage: &Stage, parts: &[&str]) {
    let ended = refused(stage);
    for part in parts {
        assert!(ended.log.contains(part), "`{part}` is not in {}", ended.log);
    }
}

/// What is wrong with a list stands in log, comment and summary, with how to go on.
#[track_caller]
fn mistaken(stage: &Stage, parts: &[&str]) {
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(stage.dispatched().is_empty(), "{}", ended.log);
    let comment = stage.comment();
    assert!(comment.contains("Nothing was deployed"), "{comment}");
    assert!(comment.contains("`workflow_dispatch` with `pull-request: 42`"), "{comment}");
    assert!(ended.log.contains("::error title=list::"), "{}", ended.log);
    for part in parts {
        assert!(ended.log.contains(part), "`{part}` is not in the log: {}", ended.log);
        // Markdown escapes what it gives a meaning.
        let plain = |text: &str| text.replace('\\', "");
        assert!(plain(&comment).contains(part), "`{part}` is not in the comment: {comment}");
        assert!(plain(&ended.summary).contains(part), "`{part}` is not in the summary: {}", ended.summary);
    }
}

#[test]
fn an_event_file_that_is_missing_or_cut_short_is_named() {
    let mut missing = stage();
    missing.set("GITHUB_EVENT_PATH", "/nowhere/event.json");
    says(&missing, &["/nowhere/event.json", "GITHUB_EVENT_PATH", "No such file"]);
    let cut = stage();
    fs::write(cut.folder.path().join("event.json"), r#"{"action": "closed", "num"#).unwrap();
    says(&cut, &["event.json", "it ends in the middle (line 1, column 25)"]);
    let folder = stage();
    fs::remove_file(folder.folder.path().join("event.json")).unwrap();
    fs::create_dir(folder.folder.path().join("event.json")).unwrap();
    says(&folder, &["event.json", "cannot be read"]);
}

#[test]
fn an_affected_file_of_another_shape_is_refused_with_its_place() {
    let table: [(&str, &[&str]); 9] = [
        ("{\"stack", &["affected.json", "it ends in the middle (line 1, column 7)"]),
        ("[{\"component\": 5}]", &["[0].component", "the number `5` stands where a string is expected"]),
        (
            "[{\"component\": \"a\", \"dependents\": [{\"component\": \"b\", \"stack\": []}]}]",
            &["[0].dependents[0].stack"],
        ),
        ("[{\"stack\": \"x\"}]", &["[0]", "the key `component` is missing"]),
        ("[{\"component\": \"\"}]", &["[0].component", "is empty"]),
        ("{\"items\": []}", &["`stacks`"]),
        ("[1]", &["[0]"]),
        ("\"vpc\"", &["line 1", "no list of affected components"]),
        (
            "[{\"component\":\"a\",\"settings\":{\"pro\":{\"pull_request\":{\"merged\":{\"workflows\":[]}}}}}]",
            &["workflows"],
        ),
    ];
    for (text, parts) in table {
        let stage = stage();
        fs::write(stage.folder.path().join("affected.json"), text).unwrap();
        mistaken(&stage, parts);
    }
}

#[test]
fn a_pull_request_that_there_is_not_is_named_by_its_input() {
    let mut stage = stage();
    fs::write(stage.folder.path().join("event.json"), r#"{"action": "run"}"#).unwrap();
    stage.set("GITHUB_EVENT_NAME", "workflow_dispatch");
    stage.set_input("pull-request", "4711");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("input `pull-request` is `4711`: this repository has no such"), "{}", ended.log);
    assert_eq!(ended.output("pull-request"), "4711");
}

#[test]
fn an_affected_file_that_is_missing_outside_huge_or_no_text_is_refused() {
    mistaken(&stage().input("affected", "nope.json"), &["input `affected`", "nope.json", "No such file"]);
    says(&stage().input("affected", "/etc/passwd"), &["input `affected`", "inside it"]);
    says(&stage().input("affected", "a/../../etc/passwd"), &["input `affected`", "inside it"]);
    says(&stage().input("affected", "[{\"component\": \"vpc\"}]"), &["input `affected`", "the path of a file"]);
    let linked = stage();
    std::os::unix::fs::symlink("/etc/passwd", linked.folder.path().join("link.json")).unwrap();
    says(&linked.input("affected", "link.json"), &["outside the workspace"]);
    let huge = stage();
    fs::write(huge.folder.path().join("affected.json"), vec![b' '; 50 * 1024 * 1024]).unwrap();
    mistaken(&huge, &["affected.json", "32 MiB"]);
    let binary = stage();
    fs::write(binary.folder.path().join("affected.json"), b"[\"\xff\"]").unwrap();
    mistaken(&binary, &["not UTF-8", "byte 2"]);
}

#[test]
fn unusable_inputs_are_named_with_what_is_accepted() {
    says(&stage().input("poll-interval", "often"), &["input `poll-interval` is `often`", "15s"]);
    says(&stage().input("on-timeout", "explode"), &["input `on-timeout` is `explode`", "fail or detach"]);
    says(&stage().input("token", ""), &["input `token` is empty"]);
    let ended = stage().input("wait", "maybe").input("fail-on", "never ever").run();
    assert!(ended.log.contains("input `wait`") && ended.log.contains("input `fail-on`"), "{}", ended.log);
}

#[test]
fn an_event_that_is_none_of_ours_is_refused() {
    let mut stage = stage();
    stage.set("GITHUB_EVENT_NAME", "merge_group");
    says(&stage, &["event `merge_group`", "`on:`"]);
}

#[test]
fn closing_without_a_merge_is_skipped_without_a_request() {
    let stage = stage();
    let event = json!({"action": "closed", "pull_request": {"number": 42, "merged": false}});
    fs::write(stage.folder.path().join("event.json"), event.to_string()).unwrap();
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert!(ended.log.contains("closed without being merged"), "{}", ended.log);
    assert_eq!(stage.github.world(|world| world.exchanges.len()), 0);
}

#[test]
fn the_token_is_nowhere_to_be_seen() {
    let secret = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";
    let mut world = world();
    world.tokens.insert(secret.to_owned());
    world.workflow("atmos-terraform-apply.yaml", "on: push");
    let mut stage = Stage::new(world, &json!([component(secret, "plat-dev", "dev", &[])])).input("token", secret);
    stage.set("RUNNER_DEBUG", "1");
    let ended = stage.run();
    ended.expect("failed", 1);
    let seen = format!("{}{}{:?}{}", ended.log, ended.summary, ended.outputs, stage.comment());
    assert!(!seen.contains(secret), "{seen}");
    assert!(ended.log.contains("::debug::"), "{}", ended.log);
}
