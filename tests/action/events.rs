//! The events that lead to a rollout, beside the pull request's own.

use std::fs;

use serde_json::{Value, json};
use simulated_github::{ChangedFile, Fault, RequestInfo, ReviewState, When, World};

use crate::stage::{PULL, Stage, component, will_say, world};

fn list() -> Value {
    json!([component("vpc", "plat-dev", "dev", &[])])
}

fn event(stage: &mut Stage, name: &str, payload: &Value) {
    stage.set("GITHUB_EVENT_NAME", name);
    fs::write(stage.folder.path().join("event.json"), payload.to_string()).unwrap();
}

#[test]
fn a_push_finds_its_pull_request_by_the_commit() {
    let mut stage = Stage::new(world(), &list());
    let push = stage.github.world(|world| world.push_of_merge(PULL));
    event(&mut stage, "push", &push);
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert_eq!(ended.output("pull-request"), "42");
}

#[test]
fn a_push_that_precedes_its_link_is_looked_at_again() {
    let mut world = world();
    world.pulls.get_mut(&PULL).unwrap().linked_from += 300;
    let mut stage = Stage::new(world, &list());
    let push = stage.github.world(|world| world.push_of_merge(PULL));
    event(&mut stage, "push", &push);
    stage.run().expect("succeeded", 0);
}

#[test]
fn a_push_whose_pull_request_is_answered_as_it_was_before_the_merge_is_looked_at_again() {
    let mut world = world();
    let before = json!({
        "number": PULL, "state": "open", "merged": false, "merged_at": null, "merge_commit_sha": null,
        "title": "", "user": {"login": "octocat"}, "labels": [], "head": {"ref": "wider", "sha": "c0ffee"},
        "base": {"ref": "main", "sha": "c0ffee", "repo": {"default_branch": "main"}},
    });
    world.faults.once(When::get("/pulls/{pull_number}"), Fault::Status(200, before));
    let mut stage = Stage::new(world, &list());
    let push = stage.github.world(|world| world.push_of_merge(PULL));
    event(&mut stage, "push", &push);
    stage.run().expect("succeeded", 0);
}

#[test]
fn a_push_without_a_pull_request_is_skipped() {
    let mut world = world();
    let commit = world.push("main", "a.txt", "x");
    let mut stage = Stage::new(world, &list());
    event(&mut stage, "push", &json!({"ref": "refs/heads/main", "after": commit}));
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert!(ended.log.contains("the push to `main` belongs to no merged pull request"), "{}", ended.log);
    event(&mut stage, "push", &json!({"ref": "refs/tags/v1", "after": commit}));
    stage.run().expect("skipped", 0);
}

#[test]
fn a_push_of_several_pull_requests_is_one_rollout_on_the_last_ones_comment() {
    let mut world = world();
    world.open_pull_request(41, "Rename a queue", "octocat");
    let first = world.merge(41, "hubot");
    world.open_pull_request(43, "Widen more", "octocat");
    let last = world.merge(43, "hubot");
    // Its branch was part of the other's, so that the same commit merged it.
    world.pulls.get_mut(&PULL).unwrap().merged.as_mut().unwrap().sha = last;
    let mut stage = Stage::new(world, &list());
    let mut push = stage.github.world(|world| world.push_of_merge(43));
    push["commits"].as_array_mut().unwrap().insert(0, json!({"id": first}));
    event(&mut stage, "push", &push);
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert_eq!(ended.output("pull-request"), "43");
    let comment = stage.github.world(|world| world.sticky(43).unwrap().body.clone());
    assert!(comment.contains("One rollout for #43 and for #41, #42"), "{comment}");
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
    assert!(ended.log.contains("::notice::the push merged #41, #42 too"), "{}", ended.log);
}

#[test]
fn a_pull_request_that_was_merged_before_is_not_deployed_again_by_one_that_was_built_on_it() {
    let mut world = world();
    let squashed = world.open_pull_request(41, "Rename a queue", "octocat").head_sha.clone();
    world.merge(41, "hubot");
    world.pulls.get_mut(&PULL).unwrap().also_in.push(squashed.clone());
    let mut stage = Stage::new(world, &list());
    let mut push = stage.github.world(|world| world.push_of_merge(PULL));
    push["commits"].as_array_mut().unwrap().insert(0, json!({"id": squashed, "message": "Rename a queue"}));
    event(&mut stage, "push", &push);
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert!(!ended.log.contains("the push merged"), "{}", ended.log);
    assert!(ended.log.contains("::notice::the push brings commits of #41, merged by a commit"), "{}", ended.log);
    assert!(!stage.comment().contains("#41"), "{}", stage.comment());
}

#[test]
fn a_pull_request_below_somebodys_own_commit_is_deployed_as_it_was_merged() {
    let mut world = world();
    let own = world.push("main", "a.txt", "x");
    let mut stage = Stage::new(world, &list());
    let mut push = stage.github.world(|world| world.push_of_merge(PULL));
    let merge = push["after"].clone();
    push["commits"].as_array_mut().unwrap().push(json!({"id": own, "message": "One more"}));
    push["after"] = json!(own);
    event(&mut stage, "push", &push);
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert_eq!(ended.output("pull-request"), "42");
    assert_eq!(json!(stage.github.world(|world| world.dispatches()[0].inputs.0["sha"].clone())), merge);
    assert!(stage.comment().contains("`vpc`"), "{}", stage.comment());
}

#[test]
fn an_approval_by_the_author_of_any_of_several_pull_requests_is_marked() {
    let mut world = world();
    will_say(&mut world, "vpc", "prod", ReviewState::Approved, "fine");
    world.open_pull_request(41, "Rename a queue", "mona");
    let first = world.merge(41, "hubot");
    world.open_pull_request(43, "Widen more", "octocat");
    world.merge(43, "hubot");
    let mut stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])]));
    let mut push = stage.github.world(|world| world.push_of_merge(43));
    push["commits"].as_array_mut().unwrap().insert(0, json!({"id": first}));
    event(&mut stage, "push", &push);
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert!(ended.summary.contains("by\u{a0}`mona` (wrote #41) |"), "{}", ended.summary);
}

/// A merge queue's push of #41, #42 and #43, each changing a component of its own; the labelled ones must not
/// be deployed.
fn queue(labelled: &[u64]) -> Stage {
    queue_in(world(), labelled)
}

fn queue_in(mut world: World, labelled: &[u64]) -> Stage {
    world.workflow("apply.yml", crate::rules::ANY);
    world.file(".github/deployments.yml", crate::rules::CONFIG);
    let mut commits = Vec::new();
    for number in [41, PULL, 43] {
        world.file(&format!("live/dev/c{number}/main.tf"), "");
        world.open_pull_request(number, "Widen", "octocat").files =
            vec![ChangedFile::modified(&format!("live/dev/c{number}/main.tf"))];
        commits.push(world.merge(number, "hubot"));
    }
    for number in labelled {
        world.pulls.get_mut(number).unwrap().labels.push("no-apply".to_owned());
    }
    let mut stage = Stage::new(world, &list()).input("affected", "");
    let mut push = stage.github.world(|world| world.push_of_merge(43));
    let titles = ["Widen (#41)", "Merge pull request #42 from acme/widen", "Widen (#43)"];
    let commit = |(id, title)| json!({"id": id, "message": format!("{title}\n\nAnd more (#40)")});
    push["commits"] = commits.iter().zip(titles).map(commit).collect();
    event(&mut stage, "push", &push);
    stage
}

/// Pull request 41 as it was before its merge.
fn open() -> Value {
    let side = |name: &str| json!({"ref": name, "sha": "c0ffee", "repo": {"default_branch": "main"}});
    json!({"number": 41, "state": "open", "merged": false, "head": side("change-41"), "base": side("main")})
}

/// How often a pull request was asked for by its number.
fn asked(stage: &Stage, number: u64) -> usize {
    let end = format!("/pulls/{number}");
    stage.github.world(|world| world.exchanges.iter().filter(|exchange| exchange.path.ends_with(&end)).count())
}

#[test]
fn an_earlier_pull_request_of_a_merge_queue_is_found_without_its_link() {
    for late in [0, 3] {
        let mut world = world();
        world.faults.times(late, When::get("/pulls/{pull_number}").and(of_41), Fault::Status(200, open()));
        let stage = queue_in(world, &[]);
        stage.github.world(|world| world.pulls.get_mut(&41).unwrap().linked_from += 1_000_000);
        let ended = stage.run();
        ended.expect("succeeded", 0);
        assert_eq!(deployed(&stage), ["c41", "c42", "c43"], "{late}: {}", ended.log);
        assert!(!ended.log.contains("names pull request"), "{}", ended.log);
    }
}

fn of_41(info: &RequestInfo) -> bool {
    info.request.path.ends_with("/41")
}

#[test]
fn an_earlier_pull_request_that_never_shows_up_as_merged_is_told_of() {
    let mut world = world();
    world.faults.always(When::get("/pulls/{pull_number}").and(of_41), Fault::Status(200, open()));
    let stage = queue_in(world, &[]);
    stage.github.world(|world| world.pulls.get_mut(&41).unwrap().linked_from += 1_000_000);
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert_eq!(deployed(&stage), ["c42", "c43"], "{}", ended.log);
    let commit = stage.github.world(|world| world.pulls[&41].merged.as_ref().unwrap().sha.clone());
    let told = format!("::warning::commit `{commit}` names pull request #41, and GitHub does not tell");
    assert!(ended.log.contains(&told), "{}", ended.log);
    assert!(ended.log.contains("`pull-request: 41`"), "{}", ended.log);
    assert_eq!(asked(&stage, 41), 13);
}

#[test]
fn an_ordinary_merge_waits_for_no_pull_request_that_its_commits_name() {
    let mut world = world();
    world.open_pull_request(38, "Another one", "octocat");
    world.open_pull_request(39, "Into a branch", "octocat").closed = Some(0);
    // Linked to what is merged; linked to nothing, as after a rebase: an issue, and one that was closed.
    let commits = ["Answer (#38)", "Mend (#7)", "Merge pull request #39 from acme/x"];
    let ids = ["1", "2", "3"].map(|digit| digit.repeat(40));
    world.commits.extend(ids.iter().map(|id| (id.clone(), None)));
    world.pulls.get_mut(&PULL).unwrap().also_in.push(ids[0].clone());
    let mut stage = Stage::new(world, &list());
    let mut push = stage.github.world(|world| world.push_of_merge(PULL));
    let all = ids.iter().zip(commits).map(|(id, title)| json!({"id": id, "message": title}));
    push["commits"] = all.chain([push["commits"][0].clone()]).collect();
    event(&mut stage, "push", &push);
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert!(!ended.log.contains("names pull request"), "{}", ended.log);
    // GitHub must say three times that there is no such pull request.
    assert_eq!([38, 7, 39].map(|number| asked(&stage, number)), [0, 3, 1]);
}

fn deployed(stage: &Stage) -> Vec<String> {
    stage.dispatched().into_keys().map(|name| name.trim().to_owned()).collect()
}

#[test]
fn of_pull_requests_merged_together_the_labelled_ones_are_left_out() {
    for (labelled, wanted) in [(&[][..], &["c41", "c42", "c43"][..]), (&[41], &["c42", "c43"]), (&[42, 43], &["c41"])] {
        let stage = queue(labelled);
        let ended = stage.run();
        ended.expect("succeeded", 0);
        assert_eq!(deployed(&stage), wanted, "{labelled:?}: {}", ended.log);
        let comment = stage.github.world(|world| world.sticky(43).unwrap().body.clone());
        assert!(comment.contains("One rollout for #43 and for #41, #42"), "{comment}");
        for number in labelled {
            let told = format!("::notice::pull request #{number} has the label `no-apply`");
            assert!(ended.log.contains(&told), "{}", ended.log);
        }
        let names: Vec<String> = labelled.iter().map(|number| format!("#{number}")).collect();
        let told = format!("is what was changed by {} alone", names.join(", "));
        assert_eq!(comment.contains(&told), !labelled.is_empty(), "{comment}");
    }
    let stage = queue(&[41, 42, 43]);
    stage.run().expect("skipped", 0);
    assert!(deployed(&stage).is_empty());
}

#[test]
fn with_a_list_a_labelled_one_of_several_is_an_error_that_says_the_ways_out() {
    let stage = queue(&[41]).input("affected", "affected.json");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(deployed(&stage).is_empty());
    for part in ["pull request #41: has the label `no-apply`", "together with #42, #43", "Take the label away"] {
        assert!(ended.log.contains(part), "`{part}` is not in {}", ended.log);
    }
    // By itself it is skipped, and another one by itself is deployed.
    for (number, result) in [("41", "skipped"), ("42", "succeeded")] {
        let mut stage = queue(&[41]).input("affected", "affected.json").input("pull-request", number);
        event(&mut stage, "workflow_dispatch", &json!({}));
        stage.run().expect(result, 0);
    }
}

#[test]
fn events_without_a_pull_request_take_it_from_the_input() {
    for name in ["workflow_dispatch", "schedule", "workflow_run", "push"] {
        let mut stage = Stage::new(world(), &list()).input("pull-request", "42");
        event(&mut stage, name, &json!({}));
        stage.run().expect("succeeded", 0);
    }
}

#[test]
fn a_token_that_can_only_read_is_explained_by_the_error() {
    let mut world = world();
    for access in world.permissions.values_mut() {
        "read".clone_into(access);
    }
    let stage = Stage::new(world, &list());
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("of a fork or of Dependabot") && ended.log.contains("`push`"), "{}", ended.log);
    assert!(stage.dispatched().is_empty());
}
