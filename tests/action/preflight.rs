//! Everything that is wrong is found before the first dispatch, told at once, and nothing is deployed.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};
use simulated_github::{Environment, Fault, Server, When, World};

use crate::stage::{APPLY, Ended, PULL, Stage, component, world};

fn vpc() -> Value {
    json!([component("vpc", "plat-prod", "prod", &[])])
}

/// Refused: nothing is dispatched, no environment is made, the step fails, and how to go on is said.
#[track_caller]
fn refused(stage: &Stage, codes: &[&str]) -> Ended {
    let ended = stage.run();
    ended.expect("failed", 1);
    for code in codes {
        assert!(ended.log.contains(&format!("::error title={code}")), "{code}: {}", ended.log);
    }
    stage.github.world(|world| {
        assert!(world.dispatches().is_empty(), "{:?}", world.dispatches());
        assert!(world.environments.iter().all(|environment| !environment.made_on_use));
        assert_eq!(world.violations, Vec::<String>::new());
    });
    ended
}

#[test]
fn everything_wrong_is_told_at_once_in_annotations_comment_and_summary() {
    let mut world = world();
    world.workflow("atmos-terraform-apply.yaml", &APPLY.replace("stack:", "stage:"));
    let list = json!([component("vpc", "plat-prod", "prodd", &[]), component("app", "plat-dev", "dev", &[]),]);
    let stage = Stage::new(world, &list);
    let ended = refused(&stage, &["environment-missing", "input-undeclared", "input-missing"]);
    for place in [&ended.log, &ended.summary, &stage.comment()] {
        assert!(place.contains("Did you mean") && place.contains("declares no input"), "{place}");
        assert!(place.contains("requires the input"), "{place}");
    }
    assert!(ended.log.contains("file=.github/workflows/atmos-terraform-apply.yaml,line=4::"), "{}", ended.log);
    assert!(ended.log.contains("`workflow_dispatch` with `pull-request: 42`"), "{}", ended.log);
    assert!(stage.comment().contains("Nothing was deployed"), "{}", stage.comment());
}

#[test]
fn what_was_refused_goes_on_once_it_is_mended() {
    let mut world = world();
    world.environments.retain(|environment| environment.name != "prod");
    let mut stage = Stage::new(world, &vpc());
    refused(&stage, &["environment-missing"]);
    stage.github.world(|world| world.environment(Environment::named("Prod")));
    go_on_by_hand(&mut stage).expect("succeeded", 0);
    assert_eq!(stage.github.world(|world| world.comments_on(PULL).len()), 1);
}

#[test]
fn names_with_slashes_spaces_and_letters_of_all_languages_find_their_environment() {
    for name in ["eu/prod 1", "prüfung/été", "a%2Fb", "?#&"] {
        let mut world = world();
        world.environment(Environment::named(name).only_from(&["main"]));
        let stage = Stage::new(world, &json!([component("vpc", "s", name, &[])]));
        stage.run().expect("succeeded", 0);
        stage.github.world(|world| {
            assert!(world.environments.iter().all(|environment| !environment.made_on_use), "{name}");
            assert_eq!(world.violations, Vec::<String>::new());
        });
    }
}

#[test]
fn a_branch_that_an_environment_does_not_admit_is_refused() {
    for environment in [Environment::named("prod").only_from(&["release/*"]), Environment::named("prod").only_from(&[])]
    {
        let mut world = world();
        world.environment(environment);
        let ended = refused(&Stage::new(world, &vpc()), &["environment-ref"]);
        assert!(ended.log.contains("does not admit deployments from `main`"), "{}", ended.log);
    }
    let mut world = world();
    world.environment(Environment::named("prod").only_from_protected_branches());
    Stage::new(world, &vpc()).run().expect("succeeded", 0);
}

#[test]
fn protected_refuses_what_is_unprotected_and_what_cannot_be_read() {
    let list = json!([component("vpc", "plat-dev", "dev", &[])]);
    let ended =
        refused(&Stage::new(world(), &list).input("environment-check", "protected"), &["environment-unprotected"]);
    assert!(ended.log.contains("for `vpc` in `plat-dev`"), "{}", ended.log);
    let guarded = || {
        let mut world = world();
        world.environment(Environment::named("dev").with_custom_rule("guard"));
        world
    };
    let stage = Stage::new(guarded(), &list).input("environment-check", "protected");
    let mut child = stage.spawn();
    stage.until("dispatched", |world| !world.dispatches().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    for fault in [
        Fault::Status(403, json!({"message": "no"})),
        Fault::NotFound,
        Fault::Status(200, json!({"custom_deployment_protection_rules": 1})),
    ] {
        let mut world = guarded();
        world.faults.always(When::get("/deployment_protection_rules"), fault);
        let stage = Stage::new(world, &list).input("environment-check", "protected");
        let ended = refused(&stage, &["environment-unreadable"]);
        assert!(ended.log.contains("custom protection rules"), "{}", ended.log);
    }
}

#[test]
fn a_listing_that_cannot_be_read_is_refused_and_off_does_not_ask() {
    for check in ["exists", "protected"] {
        for fault in [Fault::NotFound, Fault::Status(200, json!({"environments": "none"}))] {
            let mut world = world();
            world.faults.always(When::get("/repos/{owner}/{repo}/environments"), fault);
            let stage = Stage::new(world, &vpc()).input("environment-check", check);
            refused(&stage, &["environment-unreadable"]);
        }
    }
    let mut world = world();
    world.faults.always(When::get("/repos/{owner}/{repo}/environments"), Fault::NotFound);
    let list = json!([component("vpc", "plat-dev", "dev", &[])]);
    Stage::new(world, &list).input("environment-check", "off").run().expect("succeeded", 0);
}

#[test]
fn a_missing_permission_is_named_before_anything_is_dispatched() {
    for (scope, level, line) in [
        ("actions", "", "actions: write"),
        ("contents", "", "contents: read"),
        ("pull-requests", "read", "pull-requests: write"),
        ("pull-requests", "", "pull-requests: write"),
    ] {
        let mut world = world();
        world.permissions.remove(scope);
        if !level.is_empty() {
            world.permissions.insert(scope.to_owned(), level.to_owned());
        }
        let ended = refused(&Stage::new(world, &vpc()), &[]);
        assert!(ended.log.contains(line) && ended.log.contains("`permissions:`"), "{line}: {}", ended.log);
        assert!(level.is_empty() || ended.log.contains("use the `push` trigger"), "{}", ended.log);
    }
}

#[test]
fn findings_are_not_lost_where_the_comment_may_not_be_written() {
    let mut world = world();
    world.permissions.insert("pull-requests".to_owned(), "read".to_owned());
    let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prodd", &[])]));
    let ended = refused(&stage, &["environment-missing", "permission"]);
    for part in ["Did you mean `prod`?", "Add `pull-requests: write`"] {
        assert!(ended.summary.contains(part) && ended.log.contains(part), "{part}: {}", ended.summary);
    }
}

#[test]
fn a_refused_first_dispatch_is_the_only_one_and_is_told_as_preflight_would() {
    let mut world = world();
    world.permissions.insert("actions".to_owned(), "read".to_owned());
    let list: Vec<Value> = (0..5).map(|number| component(&format!("c{number}"), "plat-dev", "dev", &[])).collect();
    let mut stage = Stage::new(world, &json!(list));
    let ended = refused(&stage, &["permission"]);
    let comment = stage.comment();
    for place in [&ended.log, &ended.summary, &comment] {
        for part in ["Add `actions: write` to the job's `permissions:`", "use the `push` trigger", "`pull-request: 42`"]
        {
            assert!(place.contains(part), "{part}: {place}");
        }
    }
    assert!(comment.starts_with("### ❌ Nothing was deployed"), "{comment}");
    assert_eq!(ended.output("pending"), "5");
    stage.github.world(|world| {
        let sent = world.exchanges.iter().filter(|exchange| exchange.path.ends_with("/dispatches")).count();
        assert_eq!(sent, 1);
        world.permissions.insert("actions".to_owned(), "write".to_owned());
    });
    // It has not begun: the way that is told goes on, by another run.
    go_on_by_hand(&mut stage).expect("succeeded", 0);
}

/// `workflow_dispatch` with `pull-request`, of another run.
fn go_on_by_hand(stage: &mut Stage) -> Ended {
    fs::write(stage.folder.path().join("event.json"), r#"{"action": "run"}"#).unwrap();
    stage.set("GITHUB_EVENT_NAME", "workflow_dispatch");
    stage.set("GITHUB_RUN_ID", "7000000002");
    stage.set("GITHUB_RUN_ATTEMPT", "1");
    stage.set_input("pull-request", "42");
    stage.run()
}

#[test]
fn a_dispatch_refused_in_the_midst_loses_nothing() {
    for (last, wait) in [(1, "true"), (3, "true"), (3, "false")] {
        // The token loses its right after so many dispatches; nobody has to approve any.
        let mut world = world();
        let mut lost = false;
        world.on_request(move |world, request| {
            if !lost && request.request.path.ends_with("/dispatches") && world.dispatches().len() == last {
                lost = true;
                world.permissions.insert("actions".to_owned(), "read".to_owned());
            }
        });
        let list: Vec<Value> = (0..5).map(|number| component(&format!("c{number}"), "plat-dev", "dev", &[])).collect();
        let mut stage = Stage::new(world, &json!(list)).input("wait", wait);
        let ended = stage.run();
        ended.expect("failed", 1);
        assert!(ended.log.contains("::error title=permission::the token: GitHub refuses"), "{}", ended.log);
        let missing = 5 - last;
        let comment = stage.comment();
        assert!(
            comment.contains("Add `actions: write`") && comment.contains("#### What the checks found"),
            "{comment}"
        );
        if wait == "true" {
            assert_eq!(
                (ended.output("succeeded"), ended.output("pending")),
                (&*last.to_string(), &*missing.to_string())
            );
            assert!(ended.log.contains(&format!("{missing} deployments were not dispatched")), "{}", ended.log);
        }
        stage.github.world(|world| world.permissions.insert("actions".to_owned(), "write".to_owned()));
        stage.set_input("wait", "true");
        go_on_by_hand(&mut stage).expect("succeeded", 0);
        assert!(stage.dispatched().values().all(|count| *count == 1) && stage.dispatched().len() == 5);
    }
}

#[test]
fn an_old_server_needs_the_id_in_the_title() {
    for server in [Server::Ignores, Server::Refuses] {
        let mut world = world();
        world.enterprise = true;
        world.server = server;
        world.workflow("atmos-terraform-apply.yaml", &APPLY.replace("run-name:", "x-run-name:"));
        let ended = refused(&Stage::new(world, &vpc()), &["run-title"]);
        assert!(ended.log.contains("run-name: apply ${{ inputs.deployment_id }}"), "{}", ended.log);
    }
}

/// Requests before the first write, by path.
fn asked(count: usize, workflows: usize) -> BTreeMap<String, usize> {
    let mut world = world();
    let mut list: Vec<Value> = Vec::new();
    for number in 0..workflows {
        world.workflow(&format!("w{number}.yaml"), APPLY);
    }
    for number in 0..count {
        let text = component(&format!("c{number}"), "plat-dev", "dev", &[]).to_string();
        let file = format!("w{}.yaml", number % workflows);
        list.push(serde_json::from_str(&text.replace("atmos-terraform-apply.yaml", &file)).unwrap());
    }
    let stage = Stage::new(world, &json!(list)).input("dry-run", "true").input("max-deployments", "0");
    stage.run().expect("skipped", 0);
    stage.github.world(|world| {
        let mut counts = BTreeMap::new();
        for exchange in &world.exchanges {
            *counts.entry(exchange.route.unwrap_or_default().to_owned()).or_default() += 1;
        }
        counts
    })
}

#[test]
fn requests_are_constant_in_deployments_and_two_for_each_distinct_workflow() {
    let one: usize = asked(3, 3).values().sum();
    assert_eq!(one, asked(120, 3).values().sum::<usize>());
    assert_eq!(one + 2 * 4, asked(120, 7).values().sum::<usize>());
}

#[test]
fn a_rollout_that_is_too_large_is_held_until_it_is_released() {
    let list = json!([component("a", "plat-dev", "dev", &[]), component("b", "plat-prod", "prod", &[])]);
    let mut stage = Stage::new(world(), &list).input("max-deployments", "1");
    let ended = stage.run();
    ended.expect("held", 1);
    let comment = stage.comment();
    let lines: Vec<&str> = comment.lines().filter(|line| !line.is_empty()).collect();
    assert!(
        lines[1].starts_with("To release them, add the label `apply-anyway`"),
        "right under the headline: {comment}"
    );
    for part in
        ["Held: 2 deployments", "`a` in `plat-dev`", "`apply-anyway`", "re-run the job", "`mona` or team `platform`"]
    {
        assert!(comment.contains(part), "{part}: {comment}");
    }
    assert!(stage.github.world(|world| world.dispatches().is_empty()));
    stage.github.world(|world| {
        world.pulls.get_mut(&PULL).unwrap().labels.push("Apply-Anyway".to_owned());
        world.environment(Environment::named("prod"));
    });
    stage.next_attempt();
    stage.run().expect("succeeded", 0);
    assert_eq!(stage.github.world(|world| world.comments_on(PULL).len()), 1);
}

#[test]
fn labels_are_read_from_the_api_and_never_from_the_event() {
    let mut world = world();
    world.pulls.get_mut(&PULL).unwrap().labels.push("No-Apply".to_owned());
    let stage = Stage::new(world, &vpc());
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert!(ended.summary.contains("`no-apply`"), "{}", ended.summary);
    // An event that claims the label which the pull request has lost is not believed.
    let stage = Stage::new(crate::stage::world(), &json!([component("vpc", "plat-dev", "dev", &[])]));
    let event = json!({"action": "closed", "number": PULL, "pull_request": {
        "number": PULL, "merged": true, "labels": [{"name": "no-apply"}]}});
    fs::write(stage.folder.path().join("event.json"), event.to_string()).unwrap();
    stage.run().expect("succeeded", 0);
}

#[test]
fn warnings_are_shown_and_stop_nothing() {
    let mut world: World = world();
    world.environment(Environment::named("dev").preventing_self_review());
    let text = APPLY.replace("jobs:", "concurrency: apply\njobs:").replace("      sha: {type: string}\n", "");
    world.workflow("atmos-terraform-apply.yaml", &text);
    let stage = Stage::new(world, &json!([component("vpc", "plat-dev", "dev", &[])]));
    let ended = stage.run();
    ended.expect("succeeded", 0);
    for code in ["concurrency", "merge-commit", "environment-unprotected"] {
        assert!(ended.log.contains(&format!("::warning title={code}")), "{code}: {}", ended.log);
    }
}

#[test]
fn dependencies_that_need_each_other_are_refused_by_their_names() {
    let list = json!([
        component("vpc", "plat-dev", "dev", &[component("app", "plat-dev", "dev", &[])]),
        component("app", "plat-dev", "dev", &[component("vpc", "plat-dev", "dev", &[])]),
    ]);
    let ended = refused(&Stage::new(world(), &list), &["cycle"]);
    assert!(
        ended.log.contains("form a cycle: `vpc` in `plat-dev` → `dev` needs `app` in `plat-dev` → `dev` needs"),
        "{}",
        ended.log
    );
}

#[test]
fn a_rollout_whose_state_would_not_fit_is_refused() {
    // Names that do not compress.
    let name = |number: u64| {
        (1..8).map(|part| format!("{:x}", (number * 8 + part).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect::<String>()
    };
    let list: Vec<Value> = (0..2000).map(|number| component(&name(number), "plat-dev", "dev", &[])).collect();
    refused(&Stage::new(world(), &json!(list)).input("max-deployments", "0"), &["state-size"]);
}

#[test]
fn an_item_that_nothing_maps_is_refused_by_its_name() {
    let ended = refused(&Stage::new(world(), &json!([{"component": "vpc", "stack": "plat-dev"}])), &["mapping"]);
    assert!(ended.log.contains("`vpc` in `plat-dev`: nothing maps it"), "{}", ended.log);
}
