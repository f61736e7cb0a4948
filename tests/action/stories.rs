//! A merged pull request, from its event to the finished comment.

use std::time::Duration;

use serde_json::{Value, json};
use simulated_github::{
    Environment,
    ReviewState::{Approved, Rejected},
};

use crate::stage::{APPLY, PULL, Stage, component, visible, will_say, world};

/// vpc → cluster → app, in dev without a gate and in prod with one.
fn platform() -> Value {
    let tree = |stack: &str, environment: &str| {
        let app = component("app", stack, environment, &[]);
        let cluster = component("cluster", stack, environment, &[app]);
        component("vpc", stack, environment, &[cluster])
    };
    json!([tree("plat-dev", "dev"), tree("plat-prod", "prod")])
}

#[test]
fn all_are_approved_and_each_comes_after_what_it_needs() {
    let mut world = world();
    for name in ["vpc", "cluster", "app"] {
        will_say(&mut world, name, "prod", Approved, "go ahead");
    }
    let stage = Stage::new(world, &platform());
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert_eq!(ended.output("succeeded"), "6");
    stage.github.world(|world| {
        assert_eq!(world.violations, Vec::<String>::new());
        let place = |name: &str, stack: &str| {
            let is = |dispatch: &simulated_github::Dispatch| {
                dispatch.inputs["component"] == *name && dispatch.inputs["stack"] == *stack
            };
            world.dispatches().iter().position(is).unwrap()
        };
        for stack in ["plat-dev", "plat-prod"] {
            assert!(place("vpc", stack) < place("cluster", stack));
            assert!(place("cluster", stack) < place("app", stack));
        }
        // One comment, written by the token's own identity.
        assert_eq!(world.comments_on(PULL).len(), 1);
        let sha = world.pulls[&PULL].merged.as_ref().unwrap().sha.clone();
        assert!(world.dispatches().iter().all(|dispatch| dispatch.inputs["sha"] == *sha));
        assert!(world.dispatches().iter().all(|dispatch| dispatch.inputs["atmos_pro_run_id"].len() == 12));
    });
    assert!(stage.comment().contains("All 6 deployments succeeded"), "{}", stage.comment());
    assert!(ended.summary.contains("go ahead"), "{}", ended.summary);
}

#[test]
fn a_rejection_skips_what_needs_it_and_nothing_else() {
    let mut world = world();
    will_say(&mut world, "vpc", "prod", Approved, "");
    will_say(&mut world, "cluster", "prod", Rejected, "not during the sale");
    let stage = Stage::new(world, &platform());
    let ended = stage.run();
    ended.expect("rejected", 1);
    insta::assert_snapshot!(ended.statuses().join("\n"), @r"
    vpc plat-dev: succeeded
    cluster plat-dev: succeeded
    app plat-dev: succeeded
    vpc plat-prod: succeeded
    cluster plat-prod: rejected
    app plat-prod: skipped
    ");
    let comment = stage.comment();
    assert!(comment.contains("by `mona`: not during the sale"), "{comment}");
    assert!(!comment.contains('@'), "nobody is pinged: {comment}");
    let rows: Value = serde_json::from_str(ended.output("deployments")).unwrap();
    assert_eq!(
        rows[4]["reviews"][0],
        json!({
            "state": "rejected", "user": "mona", "comment": "not during the sale", "environments": ["prod"]
        })
    );
}

#[test]
fn a_rejection_passes_under_fail_on_failure() {
    let mut world = world();
    will_say(&mut world, "vpc", "prod", Rejected, "");
    let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])])).input("fail-on", "failure");
    stage.run().expect("rejected", 0);
}

#[test]
fn a_failed_job_is_named_with_its_step_and_skips_what_needs_it() {
    let mut world = world();
    world.when(|run| run.inputs["component"] == *"cluster").fails("terraform apply");
    let tree = json!([component(
        "vpc",
        "plat-dev",
        "dev",
        &[component("cluster", "plat-dev", "dev", &[component("app", "plat-dev", "dev", &[])])]
    )]);
    let stage = Stage::new(world, &tree);
    let ended = stage.run();
    ended.expect("failed", 1);
    assert_eq!(ended.statuses(), ["vpc plat-dev: succeeded", "cluster plat-dev: failed", "app plat-dev: skipped"]);
    let comment = stage.comment();
    assert!(
        comment.contains("job `apply`, step `terraform apply`") || comment.contains("step ˋterraform applyˋ"),
        "{comment}"
    );
    assert!(comment.contains("/job/"), "a link to the log: {comment}");
    assert!(ended.log.contains("::error title=failed::`cluster` in `plat-dev` → `dev`: job"), "{}", ended.log);
}

#[test]
fn a_wait_timer_holds_a_deployment_and_lets_it_go() {
    let mut world = world();
    world.environment(Environment::named("later").waiting(1));
    world.pace.minute = Duration::from_millis(400);
    let stage = Stage::new(world, &json!([component("vpc", "plat-later", "later", &[])]));
    stage.run().expect("succeeded", 0);
    let told = stage.github.world(|world| {
        world.comment_history().iter().any(|change| change.body.contains("waits for `later` to open at"))
    });
    assert!(told);
}

#[test]
fn two_gates_in_one_run_are_told_one_after_the_other() {
    /// By a busy machine too.
    // A run tells when it changed in whole seconds: two gates within one would look the same.
    const LONG_ENOUGH_TO_BE_SEEN: Duration = Duration::from_millis(1200);
    let mut world = world();
    let yaml = format!(
        "{APPLY}
  verify:
    needs: apply
    runs-on: ubuntu-latest
    environment: audit
    steps: [{{name: verify, run: verify}}]
"
    );
    world.workflow("atmos-terraform-apply.yaml", &yaml);
    world.environment(Environment::named("audit").reviewed_by(&["hubot"]));
    world.when(|_| true).reviewed_for("prod", LONG_ENOUGH_TO_BE_SEEN, Approved, "mona", "first").reviewed_for(
        "audit",
        LONG_ENOUGH_TO_BE_SEEN,
        Approved,
        "hubot",
        "second",
    );
    let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])]));
    let ended = stage.run();
    ended.expect("succeeded", 0);
    let history: Vec<String> =
        stage.github.world(|world| world.comment_history().iter().map(|change| visible(&change.body)).collect());
    assert!(
        history.iter().any(|body| body.contains("waits for approval to `prod` by `mona` or team `platform`")),
        "{history:#?}"
    );
    assert!(history.iter().any(|body| body.contains("waits for approval to `audit` by `hubot`")), "{history:#?}");
    let rows: Value = serde_json::from_str(ended.output("deployments")).unwrap();
    assert_eq!(rows[0]["reviews"].as_array().unwrap().len(), 2);
}

#[test]
fn a_run_that_people_rerun_while_it_is_watched_counts_as_it_ends_last() {
    let mut world = world();
    world.when(|run| run.inputs["component"] == *"vpc").on_attempt(1).fails("terraform apply");
    will_say(&mut world, "slow", "prod", Approved, "");
    world.when(|run| run.inputs["component"] == *"slow").takes(Duration::from_millis(1500));
    let list = json!([
        component("vpc", "plat-dev", "dev", &[component("app", "plat-dev", "dev", &[])]),
        component("slow", "plat-prod", "prod", &[])
    ]);
    let stage = Stage::new(world, &list);
    let child = stage.spawn();
    stage.until("vpc fails", |world| world.sticky(PULL).is_some_and(|comment| comment.body.contains("1 failed")));
    stage.github.world(|world| {
        let run = world.dispatches().iter().find(|dispatch| dispatch.inputs["component"] == *"vpc").unwrap().run;
        world.rerun(run, "hubot");
    });
    let ended = stage.wait(child);
    ended.expect("succeeded", 0);
    assert_eq!(ended.statuses(), ["vpc plat-dev: succeeded", "app plat-dev: succeeded", "slow plat-prod: succeeded"]);
    assert!(stage.comment().contains("attempt 2"), "{}", stage.comment());
    assert!(stage.dispatched().values().all(|count| *count == 1));
}

#[test]
fn no_more_than_max_parallel_are_active_at_once() {
    let world = world();
    let list: Vec<Value> = (0..6).map(|index| component(&format!("c{index}"), "plat-dev", "dev", &[])).collect();
    let stage = Stage::new(world, &json!(list)).input("max-parallel", "2");
    stage.run().expect("succeeded", 0);
    stage.github.world(|world| {
        for dispatch in world.dispatches() {
            let at = world.runs[&dispatch.run].created;
            let active = world.dispatches().iter().filter(|other| {
                let run = &world.runs[&other.run];
                run.created <= at && run.updated > at
            });
            assert!(active.count() <= 2);
        }
        assert_eq!(world.dispatches().len(), 6);
    });
}

#[test]
fn a_dry_run_asks_and_shows_and_does_nothing() {
    let stage = Stage::new(world(), &platform()).input("dry-run", "true");
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert!(ended.summary.contains("`settings.pro`, input `github_environment`"), "{}", ended.summary);
    stage.github.world(|world| {
        assert!(world.exchanges.iter().all(|exchange| exchange.method == "GET" || exchange.path == "/graphql"));
    });
}

#[test]
fn a_cancelled_run_is_cancelled_and_skips_what_needs_it() {
    let mut world = world();
    world.when(|run| run.inputs["component"] == *"vpc").concludes("cancelled");
    let stage =
        Stage::new(world, &json!([component("vpc", "plat-dev", "dev", &[component("app", "plat-dev", "dev", &[])])]));
    let ended = stage.run();
    ended.expect("cancelled", 1);
    assert_eq!(ended.statuses(), ["vpc plat-dev: cancelled", "app plat-dev: skipped"]);
}

#[test]
fn every_conclusion_but_success_is_a_failure_with_its_word() {
    for word in ["timed_out", "startup_failure", "neutral", "stale", "skipped", "a_word_of_2031"] {
        let mut world = world();
        world.when(|_| true).concludes(word);
        let stage = Stage::new(world, &json!([component("vpc", "plat-dev", "dev", &[])]));
        let ended = stage.run();
        ended.expect("failed", 1);
        let row: Value = serde_json::from_str(ended.output("deployments")).unwrap();
        let told = row[0]["status"] == "timed-out" || row[0]["reason"].as_str().unwrap().contains(word);
        assert!(told, "{row}");
    }
}

#[test]
fn an_expired_gate_is_told_apart_from_a_failure() {
    let world = world();
    let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])]));
    let child = stage.spawn();
    stage.until("it waits", |world| {
        world.sticky(PULL).is_some_and(|comment| comment.body.contains("waits for approval"))
    });
    stage.github.world(|world| {
        let run = world.dispatches()[0].run;
        world.pass(Duration::from_secs(30 * 86_400));
        world.expire_gate(run);
    });
    let ended = stage.wait(child);
    ended.expect("failed", 1);
    assert_eq!(ended.statuses(), ["vpc plat-prod: expired"]);
}

#[test]
fn a_gate_at_which_nobody_saw_the_run_wait_expires_all_the_same() {
    let mut stage = Stage::new(world(), &json!([component("vpc", "plat-prod", "prod", &[])])).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.until("it waits", |world| world.dispatched(0).unwrap().status() == "waiting");
    stage.github.world(|world| world.pass(MONTH));
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("failed", 1);
    assert_eq!(ended.statuses(), ["vpc plat-prod: expired"]);
    // Neither its run nor this job can be re-run.
    let comment = stage.comment();
    let by_hand = "`atmos-terraform-apply.yaml` on `main` for `vpc` in `plat-prod` to\u{a0}`prod`, with `component: vpc`, \
                   `github_environment: prod` and `stack: plat-prod`";
    assert!(comment.contains(by_hand) && !comment.contains("Re-run the"), "{comment}");
}

/// Until no gate is open any more.
const MONTH: Duration = Duration::from_secs(30 * 86_400 + 60);

#[test]
fn a_rejection_is_not_blamed_for_the_expiry_of_a_later_attempt() {
    for (alone, looked) in [(false, true), (false, false), (true, true)] {
        let mut world = world();
        world.environment(Environment::named("later").reviewed_by(&["hubot"]));
        let mut list = vec![component("vpc", "plat-prod", "prod", &[])];
        if !alone {
            // With another one unfinished, the rollout is.
            list.push(component("dns", "plat-later", "later", &[]));
        }
        let stage = Stage::new(world, &json!(list)).input("wait", "false");
        let mut stage = stage.input("fail-on", "failure");
        stage.run();
        let run = stage.github.world(|world| world.dispatched(0).unwrap().id);
        let waits = |stage: &Stage| stage.until("it waits", |world| world.runs[&run].status() == "waiting");
        waits(&stage);
        stage.github.world(|world| world.reject(run, "prod", "mona", "not today").unwrap());
        stage.next_attempt();
        assert_eq!(stage.run().statuses()[0], "vpc plat-prod: rejected");
        stage.github.world(|world| {
            world.pass(Duration::from_secs(3600));
            world.rerun(run, "hubot");
        });
        waits(&stage);
        if looked {
            stage.next_attempt();
            assert_eq!(stage.run().statuses()[0], "vpc plat-prod: waiting");
        }
        stage.github.world(|world| world.pass(MONTH));
        stage.next_attempt();
        let ended = stage.run();
        ended.expect("failed", 1);
        assert_eq!(ended.statuses()[0], "vpc plat-prod: expired", "alone: {alone}, looked: {looked}");
    }
}

/// The whole history of one comment, as a reviewer would have seen it change. Time stands still but for
/// the jumps, an hour each.
#[test]
fn the_comment_tells_the_story() {
    const HOUR: Duration = Duration::from_secs(3600);
    let mut world = world();
    world.pace.queued = HOUR;
    world.pace.takes = HOUR;
    let api = component("api", "shop-prod", "prod", &[component("cdn", "shop-prod", "prod", &[])]);
    let list =
        json!([component("database", "shop-dev", "dev", &[]), component("database", "shop-prod", "prod", &[api])]);
    let stage = Stage::new(world, &list);
    let child = stage.spawn();
    let says =
        |text: &str| stage.until(text, |world| world.sticky(PULL).is_some_and(|comment| comment.body.contains(text)));
    // And some seconds: the world's clock goes on meanwhile, and a slow machine must not make it an hour less one.
    let an_hour_later = || stage.github.world(|world| world.pass(HOUR + Duration::from_secs(11)));
    says("2 queued · 2 blocked");
    an_hour_later();
    says("1 of 4 deployments waits for approval");
    stage.github.world(|world| {
        let run = world.dispatched(1).unwrap().id;
        world.approve(run, "prod", "mona", "after the backup").unwrap();
    });
    says("after the backup");
    an_hour_later();
    says("2 running");
    an_hour_later();
    says("2 of 4 deployments finished · 1 queued");
    an_hour_later();
    says("waits for approval");
    stage.github.world(|world| {
        let run = world.dispatched(2).unwrap().id;
        world.reject(run, "prod", "mona", "the canary is red").unwrap();
    });
    stage.wait(child).expect("rejected", 1);
    let history: Vec<String> =
        stage.github.world(|world| world.comment_history().iter().map(|change| visible(&change.body)).collect());
    // Whether a second fell between two looks is nothing to tell.
    let history = history.join("\n──────────\n");
    let history = history.replace("ran\u{a0}1h\u{a0}59m", "ran\u{a0}2h").replace("waited\u{a0}59m", "waited\u{a0}1h");
    insta::assert_snapshot!(history);
}
