//! Open pull requests: the comment shows what a merge would deploy, and never overwrites a live state.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use simulated_github::{Clock, Environment, Fault, When, World};

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
fn a_preview_names_everything_that_will_hold_a_deployment_back() {
    let mut world = open_world();
    world.environment(Environment::named("prod").reviewed_by(&["mona"]).waiting(1).with_custom_rule("guard"));
    let stage = preview(world, "dev");
    stage.run().expect("skipped", 0);
    let comment = stage.comment();
    assert!(comment.contains("| `mona`, and app `guard`, and a timer of 1 minute |"), "{comment}");
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
    let comment = stage.comment();
    assert!(
        comment
            .starts_with("### ⏭️ A merge would deploy nothing\n\nPull request \\#\u{200b}42 has the label `no-apply`."),
        "{comment}"
    );
    // After the merge it is true still, and taking the label away is enough to go on.
    stage.github.world(|world| {
        world.merge(PULL, "hubot");
        world.permissions.insert("actions".to_owned(), "write".to_owned());
        world.environment(Environment::named("prod"));
    });
    let event = json!({"action": "closed", "number": PULL, "pull_request": {"number": PULL, "merged": true}});
    fs::write(stage.folder.path().join("event.json"), event.to_string()).unwrap();
    stage.run().expect("skipped", 0);
    let comment = stage.comment();
    assert!(
        comment.starts_with("### ⏭️ Nothing is deployed\n\nPull request \\#\u{200b}42 has the label `no-apply`."),
        "{comment}"
    );
    stage.github.world(|world| world.pulls.get_mut(&PULL).unwrap().labels.clear());
    stage.run().expect("succeeded", 0);
}

#[test]
fn a_dry_run_of_a_labelled_pull_request_says_why_nothing_would_be_deployed() {
    let mut world = open_world();
    world.pulls.get_mut(&PULL).unwrap().labels.push("no-apply".to_owned());
    let ended = preview(world, "prod").input("dry-run", "true").run();
    ended.expect("skipped", 0);
    assert!(ended.log.contains("a merge would deploy nothing: ") && ended.log.contains("no-apply"), "{}", ended.log);
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

#[test]
fn a_workflow_that_the_pull_request_adds_is_judged_as_its_merge_would_leave_it() {
    let mut world = open_world();
    world.workflows.clear();
    world.branches.get_mut("main").unwrap().files.clear();
    world.propose(PULL, ".github/workflows/atmos-terraform-apply.yaml", APPLY);
    let stage = preview(world, "dev");
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert!(ended.log.contains("::warning title=workflow-missing::"), "{}", ended.log);
    assert!(stage.comment().contains("does not exist on the default branch yet: the merge adds it"));
    stage.github.world(|world| {
        world.merge(PULL, "hubot");
        world.environment(Environment::named("prod"));
        world.permissions.insert("actions".to_owned(), "write".to_owned());
    });
    let event = json!({"action": "closed", "number": PULL, "pull_request": {"number": PULL, "merged": true}});
    fs::write(stage.folder.path().join("event.json"), event.to_string()).unwrap();
    stage.run().expect("succeeded", 0);
}

#[test]
fn a_workflow_that_the_pull_request_breaks_is_found_before_the_merge() {
    let file = ".github/workflows/atmos-terraform-apply.yaml";
    let mut world = open_world();
    world.propose(PULL, file, &APPLY.replace("component:", "module:"));
    let stage = preview(world, "dev");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("declares no input `component`"), "{}", ended.log);

    // What another pull request would bring to the default branch is not known yet there.
    let mut world = open_world();
    world.workflows.clear();
    world.branch("release");
    world.pulls.get_mut(&PULL).unwrap().base_ref = "release".to_owned();
    world.propose(PULL, file, APPLY);
    let stage = preview(world, "dev");
    fs::create_dir_all(stage.folder.path().join(".github")).unwrap();
    fs::write(stage.folder.path().join(".github/deployments.yml"), "branches: [release]\n").unwrap();
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("does not exist on the default branch, so GitHub cannot dispatch it"), "{}", ended.log);
}

#[test]
fn without_a_test_merge_the_last_commit_is_judged_and_that_is_said() {
    let mut world = open_world();
    world.pulls.get_mut(&PULL).unwrap().conflicts = true;
    world.propose(PULL, ".github/workflows/atmos-terraform-apply.yaml", &APPLY.replace("stack:", "stage:"));
    let stage = preview(world, "dev");
    let ended = stage.run();
    ended.expect("failed", 1);
    for part in ["declares no input `stack`", "::warning title=test-merge::the pull request: GitHub has no test merge"]
    {
        assert!(ended.log.contains(part), "{part}: {}", ended.log);
    }
}

#[test]
fn a_preview_of_what_would_be_held_says_first_how_it_is_released() {
    let stage = preview(open_world(), "dev").input("max-deployments", "1");
    let ended = stage.run();
    ended.expect("skipped", 0);
    let comment = stage.comment();
    let lines: Vec<&str> = comment.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines[0], "### ✋ A merge would be held: 2 deployments are more than `max-deployments` allows");
    assert_eq!(lines[1], "To release them, add the label `apply-anyway` to the pull request before it is merged.");
}

/// A live comment of another process, as it stands there in the midst of a rollout.
fn live_comment() -> String {
    let mut world = world();
    world.environment(Environment::named("prod").reviewed_by(&["mona"]));
    let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])])).input("wait", "false");
    stage.run();
    stage.github.world(|world| world.sticky(PULL).unwrap().body.clone())
}

#[test]
fn a_preview_whose_write_must_be_repeated_never_overwrites_what_began_meanwhile() {
    let live = live_comment();
    let faults = [
        Fault::Html502,
        Fault::ResetBefore,
        Fault::EffectThen502,
        Fault::SecondaryLimit { retry_after: Some(5), status: 403 },
        Fault::Status(503, json!({"message": "unavailable"})),
    ];
    for fault in faults {
        let mut world = open_world();
        world.permissions.insert("actions".to_owned(), "read".to_owned());
        let stage = preview(world, "dev");
        stage.run().expect("skipped", 0);
        let name = fault.name();
        stage.github.world(|world| {
            // The next preview says something else, and its write fails; right then the rollout begins.
            world.environment(Environment::named("dev").reviewed_by(&["mona"]));
            let live = live.clone();
            let mut tries = 0;
            world.faults.once(When::patch("/comments/{comment_id}"), fault);
            world.on_request(move |world, request| {
                tries += u64::from(request.request.method == "PATCH");
                let comment = world.comments_on(PULL)[0].id;
                // After the effect of the failed try, before whatever comes next.
                if tries == 1 && request.request.method != "PATCH" {
                    tries = 2;
                    world.merge(PULL, "hubot");
                    world.edit_comment(comment, "github-actions[bot]", &live);
                }
            });
        });
        let ended = stage.run();
        ended.expect("skipped", 0);
        let now = stage.github.world(|world| world.sticky(PULL).unwrap().body.clone());
        assert_eq!(now, live, "{name}: {}", ended.log);
    }
}

#[test]
fn a_refusal_or_a_hold_never_replaces_a_rollout_that_began_meanwhile() {
    let live = live_comment();
    for (input, value) in [("environment-check", "protected"), ("max-deployments", "1")] {
        // Another starter is quicker, at whatever request that comes after this one has read the comment.
        for moment in ["/environments", "/comments/{comment_id}"] {
            let mut world = world();
            let live = live.clone();
            let first = world.comment(PULL, world.identity.clone(), &not_begun());
            let mut done = false;
            let begun = live.clone();
            world.on_request(move |world, request| {
                if !done && request.route.is_some_and(|route| route.ends_with(moment)) {
                    done = true;
                    world.edit_comment(first, "github-actions[bot]", &begun);
                }
            });
            let list = json!([component("vpc", "plat-dev", "dev", &[]), component("app", "plat-dev", "dev", &[])]);
            let stage = Stage::new(world, &list).input(input, value).input("wait", "false");
            let ended = stage.run();
            let now = stage.github.world(|world| world.sticky(PULL).unwrap().body.clone());
            let replaced = now.contains("Nothing was deployed") || now.contains("Held:");
            assert!(!replaced && stage.dispatched().is_empty(), "{input} {moment}: {now}\n{}", ended.log);
        }
    }
}

#[test]
fn a_starter_whose_write_must_be_repeated_dispatches_nothing_that_another_began_meanwhile() {
    let live = live_comment();
    for fault in [Fault::Html502, Fault::ResetBefore, Fault::SecondaryLimit { retry_after: Some(5), status: 403 }] {
        let mut world = world();
        let first = world.comment(PULL, world.identity.clone(), &not_begun());
        let name = fault.name();
        world.faults.once(When::patch("/comments/{comment_id}"), fault);
        let (mut tried, mut done) = (false, false);
        let begun = live.clone();
        world.on_request(move |world, request| {
            let write = request.request.method == "PATCH";
            if tried && !write && !done {
                done = true;
                world.edit_comment(first, "github-actions[bot]", &begun);
            }
            tried |= write;
        });
        let list = json!([component("vpc", "plat-prod", "prod", &[])]);
        let stage = Stage::new(world, &list).input("wait", "false");
        let ended = stage.run();
        assert!(stage.dispatched().is_empty(), "{name}: dispatched twice\n{}", ended.log);
    }
}

#[test]
fn a_starter_whose_write_lands_late_adopts_what_another_dispatched() {
    let mut world = world();
    world.comment(PULL, world.identity.clone(), &not_begun());
    world.faults.once(When::patch("/comments/{comment_id}"), Fault::HangBefore(Duration::from_millis(800)));
    let hangs = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&hangs);
    world.on_request(move |_, request| {
        if request.request.method == "PATCH" {
            seen.store(true, Ordering::Relaxed);
        }
    });
    let list = json!([component("vpc", "plat-prod", "prod", &[])]);
    let mut stage = Stage::new(world, &list).input("wait", "false");
    let slow = stage.spawn();
    stage.until("its write hangs", |_| hangs.load(Ordering::Relaxed));
    stage.set("GITHUB_RUN_ID", "7000000002");
    stage.run();
    stage.wait(slow);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1, "{}", stage.log());
}

/// A comment whose state says that nothing has begun.
fn not_begun() -> String {
    let stage = preview(open_world(), "dev");
    stage.run();
    stage.github.world(|world| world.sticky(PULL).unwrap().body.clone())
}

#[test]
fn a_merge_that_github_shows_late_is_deployed_all_the_same() {
    for open in [true, false] {
        let mut world = crate::stage::world();
        let pull = world.pulls.get_mut(&PULL).unwrap();
        let (merged, closed) = (pull.merged.take(), pull.closed);
        if open {
            pull.closed = None;
        }
        let mut asked = 0;
        world.on_request(move |world, request| {
            if request.route.is_some_and(|route| route.ends_with("/pulls/{pull_number}")) {
                asked += 1;
                if asked == 3 {
                    let pull = world.pulls.get_mut(&PULL).unwrap();
                    (pull.merged, pull.closed) = (merged.clone(), closed);
                }
            }
        });
        let ended = Stage::new(world, &json!([component("vpc", "plat-dev", "dev", &[])])).run();
        ended.expect("succeeded", 0);
    }
}
