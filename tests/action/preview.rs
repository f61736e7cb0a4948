//! Open pull requests: the comment shows what a merge would deploy, and never overwrites a live state.

use std::fs;

use serde_json::json;
use simulated_github::{Clock, Environment, World};

use crate::stage::{APPLY, PULL, Stage, TOKEN, component, visible, world};

/// The same world, with the pull request still open.
fn open_world() -> World {
    let mut world = World::new("acme", "infra");
    world.clock = Clock::starting_at("2026-03-02T09:00:00Z");
    world.tokens.insert(TOKEN.to_owned());
    world.workflow("atmos-terraform-apply.yaml", APPLY);
    world.environment(Environment::named("dev"));
    world.environment(Environment::named("prod").reviewed_by(&["mona", "team:platform"]).waiting(10));
    world.open_pull_request(PULL, "Widen the subnets", "octocat");
    // The preview needs none of these.
    world.permissions.insert("actions".to_owned(), "read".to_owned());
    world
}

fn preview(world: World, environment: &str) -> Stage {
    let app = component("app", "plat-prod", environment, &[]);
    let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[app])]));
    let event = json!({"action": "synchronize", "number": PULL});
    fs::write(stage.folder.path().join("event.json"), event.to_string()).unwrap();
    stage
}

#[test]
fn a_preview_shows_what_a_merge_would_deploy_and_whose_approval_it_needs() {
    let stage = preview(open_world(), "dev");
    let ended = stage.run();
    ended.expect("skipped", 0);
    insta::assert_snapshot!(stage.comment());
    assert!(ended.summary.contains("A merge would make 2 deployments"), "{}", ended.summary);
    assert!(stage.github.world(|world| world.dispatches().is_empty()));
}

#[test]
fn a_preview_shows_every_problem_and_fails_so_that_it_is_mended_before_the_merge() {
    let stage = preview(open_world(), "develop");
    let ended = stage.run();
    ended.expect("failed", 1);
    let comment = stage.comment();
    assert!(comment.contains("A merge would deploy nothing: the checks found 1 error"), "{comment}");
    assert!(comment.contains("environment `develop`: does not exist"), "{comment}");
}

#[test]
fn on_the_merge_the_same_comment_becomes_the_live_one() {
    let stage = preview(open_world(), "dev");
    stage.run().expect("skipped", 0);
    stage.github.world(|world| {
        world.merge(PULL, "hubot");
        world.environment(Environment::named("prod"));
        world.permissions.insert("actions".to_owned(), "write".to_owned());
    });
    let event = json!({"action": "closed", "number": PULL, "pull_request": {"number": PULL, "merged": true}});
    fs::write(stage.folder.path().join("event.json"), event.to_string()).unwrap();
    stage.run().expect("succeeded", 0);
    stage.github.world(|world| assert_eq!(world.comments_on(PULL).len(), 1));
    assert!(stage.comment().contains("All 2 deployments succeeded"), "{}", stage.comment());
}

#[test]
fn a_preview_that_comes_late_leaves_the_live_state_alone() {
    // The pull request is merged while the preview checks: at its listing of environments.
    let mut late = open_world();
    late.on_request(|world, request| {
        if request.route.is_some_and(|route| route.ends_with("/environments")) && world.pulls[&PULL].merged.is_none() {
            world.merge(PULL, "hubot");
        }
    });
    let stage = preview(late, "dev");
    stage.run().expect("skipped", 0);
    stage.github.world(|world| assert_eq!(world.comments_on(PULL).len(), 0));

    // The event is an old one, and the rollout is over.
    let mut merged = world();
    merged.environment(Environment::named("prod"));
    let stage = Stage::new(merged, &json!([component("vpc", "plat-prod", "prod", &[])]));
    stage.run().expect("succeeded", 0);
    let before = stage.github.world(|world| visible(&world.sticky(PULL).unwrap().body));
    fs::write(stage.folder.path().join("event.json"), r#"{"action": "synchronize", "number": 42}"#).unwrap();
    stage.run();
    assert_eq!(before, stage.comment());
}

#[test]
fn with_a_token_that_only_reads_the_preview_is_in_the_summary_alone() {
    let mut world = open_world();
    for scope in ["actions", "contents", "pull-requests"] {
        world.permissions.insert(scope.to_owned(), "read".to_owned());
    }
    let stage = preview(world, "dev");
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert!(ended.summary.contains("A merge would make 2 deployments"), "{}", ended.summary);
    assert!(ended.summary.contains("`mona` or team `platform`"), "{}", ended.summary);
    assert!(ended.log.contains("summary alone"), "{}", ended.log);
    stage.github.world(|world| assert_eq!(world.comments_on(PULL).len(), 0));
}

#[test]
fn a_preview_of_a_labelled_pull_request_says_that_nothing_would_be_deployed() {
    let stage = preview(open_world(), "dev");
    stage.run().expect("skipped", 0);
    stage.github.world(|world| world.pulls.get_mut(&PULL).unwrap().labels.push("no-apply".to_owned()));
    stage.run().expect("skipped", 0);
    assert!(stage.comment().contains("A merge would make 0 deployments"), "{}", stage.comment());
}

#[test]
fn an_event_of_an_open_pull_request_never_deploys_what_was_merged_meanwhile() {
    for action in ["synchronize", "labeled", "unlabeled"] {
        let stage = Stage::new(world(), &json!([component("vpc", "plat-dev", "dev", &[])]));
        let event =
            json!({"action": action, "number": 42, "pull_request": {"number": 42, "state": "open", "merged": false}});
        std::fs::write(stage.folder.path().join("event.json"), event.to_string()).unwrap();
        let ended = stage.run();
        ended.expect("skipped", 0);
        assert_eq!(ended.output("pull-request"), "42");
        assert!(stage.dispatched().is_empty(), "{action}: {}", ended.log);
    }
}
