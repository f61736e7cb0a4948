//! Coming back: from another process's state, which is not believed before it is checked.

use serde_json::json;
use simulated_github::{
    Fault,
    ReviewState::{Approved, Rejected},
    When,
};

use crate::{
    memory::one_after_another,
    stage::{PULL, Stage, component, will_say, world},
};

pub fn one_in_prod() -> serde_json::Value {
    json!([component("vpc", "plat-prod", "prod", &[])])
}

#[test]
fn one_pass_after_another_does_what_staying_does() {
    let mut world = world();
    will_say(&mut world, "vpc", "prod", Approved, "");
    let list = json!([component("vpc", "plat-prod", "prod", &[component("app", "plat-prod", "dev", &[])])]);
    let mut stage = Stage::new(world, &list).input("wait", "false");
    stage.run().expect("pending", 0);
    for _ in 0..40 {
        std::thread::sleep(std::time::Duration::from_millis(60));
        stage.next_attempt();
        let ended = stage.run();
        if ended.output("result") != "pending" {
            ended.expect("succeeded", 0);
            assert!(stage.dispatched().values().all(|count| *count == 1));
            return;
        }
    }
    panic!("never finished: {}", stage.comment());
}

#[test]
fn a_finished_rollout_is_tried_again_only_where_it_did_not_succeed() {
    let mut world = world();
    world.when(|run| run.inputs["component"] == *"app" && run.id < 19_876_543_231).fails("terraform apply");
    let list = json!([component(
        "vpc",
        "plat-dev",
        "dev",
        &[component("app", "plat-dev", "dev", &[component("cdn", "plat-dev", "dev", &[])])]
    )]);
    let mut stage = Stage::new(world, &list);
    stage.run().expect("failed", 1);
    stage.next_attempt();
    stage.run().expect("succeeded", 0);
    let counts = stage.dispatched();
    assert_eq!((counts["vpc plat-dev"], counts["app plat-dev"], counts["cdn plat-dev"]), (1, 2, 1), "{counts:?}");
    let ids: Vec<String> = stage.github.world(|world| {
        world.dispatches().iter().map(|dispatch| dispatch.inputs["atmos_pro_run_id"].to_owned()).collect()
    });
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "each try has an id of its own");
}

#[test]
fn a_deleted_comment_is_rebuilt_from_the_titles_of_the_runs() {
    let mut stage = Stage::new(world(), &one_in_prod()).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.github.world(|world| {
        let id = world.sticky(PULL).unwrap().id;
        world.delete_comment(id, "hubot");
    });
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("pending", 0);
    assert!(ended.log.contains("adopted"), "{}", ended.log);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
}

#[test]
fn without_state_and_ids_in_titles_nothing_is_dispatched_again() {
    let mut world = world();
    let blind = crate::stage::APPLY.replace(
        "run-name: apply ${{ inputs.component }} in ${{ inputs.stack }} | ${{ inputs.atmos_pro_run_id }}\n",
        "",
    );
    world.workflow("atmos-terraform-apply.yaml", &blind);
    let mut stage = Stage::new(world, &one_in_prod()).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.github.world(|world| {
        let id = world.sticky(PULL).unwrap().id;
        world.delete_comment(id, "hubot");
    });
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("run-name") && ended.log.contains("run 19876543217"), "{}", ended.log);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
}

#[test]
fn another_step_of_the_same_merge_needs_its_own_key() {
    let mut stage = Stage::new(world(), &one_in_prod()).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.set("GITHUB_ACTION", "another");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("`comment-key`"), "{}", ended.log);
    stage.set_input("comment-key", "another");
    stage.run().expect("pending", 0);
    assert_eq!(stage.github.world(|world| world.comments_on(PULL).len()), 2);
}

#[test]
fn a_dispatch_without_an_answer_is_never_sent_again_and_its_run_is_adopted() {
    for fault in [Fault::ResetAfter, Fault::EffectThen502, Fault::Truncated] {
        let mut world = world();
        will_say(&mut world, "vpc", "prod", Approved, "");
        world.faults.once(When::post("/dispatches"), fault.clone());
        let stage = Stage::new(world, &one_in_prod());
        stage.run().expect("succeeded", 0);
        assert_eq!(stage.github.world(|world| world.dispatches().len()), 1, "{}", fault.name());
    }
}

#[test]
fn a_dispatch_that_never_became_a_run_is_lost_and_mended_by_a_rerun() {
    for fault in [Fault::ResetBefore, Fault::Html502] {
        let mut world = world();
        will_say(&mut world, "vpc", "prod", Approved, "");
        world.faults.once(When::post("/dispatches"), fault.clone());
        let mut stage = Stage::new(world, &one_in_prod());
        let ended = stage.run();
        ended.expect("failed", 1);
        assert_eq!(ended.statuses(), ["vpc plat-prod: lost"]);
        let sent = |stage: &Stage| {
            stage
                .github
                .world(|world| world.exchanges.iter().filter(|exchange| exchange.path.ends_with("/dispatches")).count())
        };
        assert_eq!(sent(&stage), 1, "{}", fault.name());
        assert!(stage.comment().contains("re-run this job"), "{}", stage.comment());
        stage.next_attempt();
        stage.run().expect("succeeded", 0);
        assert_eq!(sent(&stage), 2, "{}", fault.name());
    }
}

#[test]
fn an_older_enterprise_server_names_no_run_and_the_title_does() {
    for server in [simulated_github::Server::Ignores, simulated_github::Server::Refuses] {
        let mut world = world();
        world.enterprise = true;
        world.server = server;
        will_say(&mut world, "vpc", "prod", Approved, "");
        let stage = Stage::new(world, &one_in_prod());
        assert!(stage.github.api_url().ends_with("/api/v3"));
        let ended = stage.run();
        ended.expect("succeeded", 0);
        assert_eq!(stage.github.world(|world| world.dispatches().len()), 1, "{server:?}");
        assert!(ended.statuses()[0].ends_with("succeeded"));
    }
}

#[test]
fn two_copies_at_once_dispatch_once() {
    for _ in 0..8 {
        let mut world = crate::stage::quick_world();
        world.workflow("deploy.yml", "on: workflow_dispatch\njobs: {deploy: {runs-on: x, steps: [{run: x}]}}");
        world.when(|run| run.path.ends_with("deploy.yml")).takes(std::time::Duration::from_secs(60));
        let runs = [0, 1].map(|_| world.trigger("deploy.yml", "workflow_dispatch", "hubot", &[]));
        will_say(&mut world, "vpc", "prod", Approved, "");
        let mut stage = Stage::new(world, &one_in_prod());
        stage.set("GITHUB_RUN_ID", &runs[0].to_string());
        let first = stage.spawn();
        stage.set("GITHUB_RUN_ID", &runs[1].to_string());
        let second = stage.spawn();
        stage.wait(first);
        stage.wait(second);
        assert_eq!(stage.github.world(|world| world.dispatches().len()), 1, "{}", stage.log());
        assert_eq!(stage.github.world(|world| world.comments.len()), 1, "{}", stage.log());
        assert!(stage.comment().contains("The deployment succeeded"), "{}", stage.comment());
    }
}

/// The world with a workflow whose titles show no ids.
fn blind() -> simulated_github::World {
    let mut world = world();
    let blind = crate::stage::APPLY.replace(" | ${{ inputs.atmos_pro_run_id }}", "");
    world.workflow("atmos-terraform-apply.yaml", &blind);
    world
}

/// A first attempt, by hand, of a rollout whose workflow shows no ids and of which no comment tells.
fn by_hand(deployed_before: bool) -> (Stage, crate::stage::Ended) {
    let world = blind();
    let mut stage = Stage::new(world, &json!([component("vpc", "plat-dev", "dev", &[])]));
    if deployed_before {
        stage.run().expect("succeeded", 0);
        stage.github.world(|world| {
            let comment = world.sticky(PULL).unwrap().id;
            assert!(world.delete_comment(comment, "hubot"));
        });
    }
    stage.set("GITHUB_EVENT_NAME", "workflow_dispatch");
    stage.set("GITHUB_RUN_ID", "7000000002");
    stage.set_input("pull-request", &PULL.to_string());
    let ended = stage.run();
    (stage, ended)
}

#[test]
fn a_run_by_hand_after_the_comment_was_deleted_deploys_nothing_twice() {
    let (stage, ended) = by_hand(true);
    ended.expect("failed", 1);
    assert!(ended.log.contains("it cannot be told what was dispatched before"), "{}", ended.log);
    assert_eq!(ended.output("pull-request"), "42", "the outputs say what it is about");
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
}

#[test]
fn a_run_by_hand_of_what_nothing_ran_for_yet_deploys_it() {
    let (_, ended) = by_hand(false);
    ended.expect("succeeded", 0);
}

#[test]
fn a_held_rollout_is_released_though_no_title_shows_ids() {
    let world = blind();
    let list = json!([component("a", "plat-dev", "dev", &[]), component("b", "plat-dev", "dev", &[])]);
    let mut stage = Stage::new(world, &list).input("max-deployments", "1");
    stage.run().expect("held", 1);
    stage.github.world(|world| world.pulls.get_mut(&PULL).unwrap().labels.push("apply-anyway".to_owned()));
    stage.next_attempt();
    stage.run().expect("succeeded", 0);
}

#[test]
fn a_run_that_was_seen_and_is_deleted_is_lost_after_a_few_looks_however_young() {
    let stage = Stage::new(world(), &one_in_prod()).input("timeout", "20s");
    let child = stage.spawn();
    stage.until("it waits", |world| {
        world.sticky(PULL).is_some_and(|comment| comment.body.contains("waits for approval"))
    });
    stage.github.world(|world| {
        let run = world.dispatched(0).unwrap().id;
        world.delete_run(run);
    });
    let ended = stage.wait(child);
    ended.expect("failed", 1);
    assert_eq!(ended.statuses(), ["vpc plat-prod: lost"], "{}", ended.log);
}

#[test]
fn what_has_ended_does_not_wait_for_a_comment_that_cannot_be_written() {
    let (stage, child) = one_after_another();
    let refused = simulated_github::Fault::Status(502, json!({"message": "Bad Gateway"}));
    let edits = simulated_github::When::patch("/comments/{comment_id}");
    stage.until("app was dispatched", |world| world.dispatches().len() == 2);
    stage.github.world(|world| world.faults.always(edits, refused));
    let ended = stage.wait(child);
    ended.expect("succeeded", 0);
    assert!(ended.log.contains("the comment could not be brought up to date"), "{}", ended.log);
    assert!(!ended.log.contains("the time-out of"), "{}", ended.log);
}

#[test]
fn an_end_that_is_known_stays_though_its_run_is_deleted() {
    let mut world = world();
    will_say(&mut world, "vpc", "prod", Rejected, "no");
    world.environment(simulated_github::Environment::named("later").reviewed_by(&["mona"]));
    let list = json!([component("vpc", "plat-prod", "prod", &[]), component("dns", "plat-later", "later", &[])]);
    let mut stage = Stage::new(world, &list).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.until("vpc is rejected", |world| world.dispatched(0).unwrap().status() == "completed");
    stage.next_attempt();
    stage.run().expect("rejected", 1);
    stage.github.world(|world| {
        let run = world.dispatched(0).unwrap().id;
        world.delete_run(run);
    });
    for _ in 0..2 {
        stage.next_attempt();
        stage.run().expect("rejected", 1);
    }
}

#[test]
fn a_run_that_was_rerun_by_hand_is_adopted_unless_it_failed_again() {
    let first = |run: &simulated_github::Run| run.id < 19_876_543_220;
    for (again, dispatches) in [("fails", 2), ("succeeds", 1), ("goes on", 1)] {
        let mut world = world();
        world.when(first).on_attempt(1).fails("terraform apply");
        match again {
            "fails" => drop(world.when(first).on_attempt(2).fails("terraform apply")),
            "goes on" => drop(world.when(first).on_attempt(2).takes(std::time::Duration::from_secs(1))),
            _ => {}
        }
        let mut stage = Stage::new(world, &json!([component("vpc", "plat-dev", "dev", &[])]));
        stage.run().expect("failed", 1);
        let run = stage.github.world(|world| {
            let run = world.dispatched(0).unwrap().id;
            world.rerun(run, "hubot");
            run
        });
        if again != "goes on" {
            stage.until("the second attempt ends", |world| world.runs[&run].status() == "completed");
        }
        stage.next_attempt();
        let ended = stage.run();
        ended.expect("succeeded", 0);
        assert_eq!(stage.github.world(|world| world.dispatches().len()), dispatches, "{again}: {}", ended.log);
    }
}

/// A deployment whose run is gone long after its dispatch.
fn gone() -> (Stage, simulated_github::Run) {
    let mut world = world();
    // Titles show no ids, so that nothing but the run's own number leads to it.
    let blind = crate::stage::APPLY.replace(" | ${{ inputs.atmos_pro_run_id }}", "");
    world.workflow("atmos-terraform-apply.yaml", &blind);
    let mut stage = Stage::new(world, &one_in_prod()).input("wait", "false");
    stage.run().expect("pending", 0);
    let run = stage.github.world(|world| {
        world.pass(std::time::Duration::from_secs(3600));
        let run = world.dispatched(0).unwrap().id;
        world.runs.remove(&run).unwrap()
    });
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("failed", 1);
    assert_eq!(ended.statuses(), ["vpc plat-prod: lost"]);
    let rows: serde_json::Value = serde_json::from_str(ended.output("deployments")).unwrap();
    assert_eq!(rows[0]["run-id"], json!(run.id), "{rows}");
    assert!(rows[0]["run-url"].as_str().unwrap().ends_with(&run.id.to_string()), "{rows}");
    assert!(!stage.comment().contains(&format!("/runs/{}", run.id)), "a link to nothing: {}", stage.comment());
    (stage, run)
}

#[test]
fn a_deployment_whose_run_was_deleted_is_tried_again_by_a_rerun() {
    let (mut stage, _) = gone();
    stage.next_attempt();
    stage.run().expect("pending", 0);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 2);
}

#[test]
fn a_run_that_github_has_again_is_adopted_and_not_dispatched_again() {
    let (mut stage, run) = gone();
    stage.github.world(|world| {
        let id = run.id;
        world.runs.insert(id, run);
        world.reject(id, "prod", "mona", "no").unwrap();
    });
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("rejected", 1);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
}
