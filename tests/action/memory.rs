//! What the comment remembers, changed behind the action's back: by people, by other processes, by late writes.

use std::{
    process::Child,
    sync::{Arc, Mutex},
    time::Duration,
};

use deployment_approvals::{
    report::comment::state_in,
    rollout::{End, Progress, Run},
    state::{self, Record},
};
use serde_json::json;
use simulated_github::{Fault, User, When, World};

use crate::{
    resuming::one_in_prod,
    stage::{PULL, Stage, component, quick_world, world},
};

/// What a comment remembers.
pub fn record_in(body: &str) -> Record {
    state::decode(state_in(body).expect("a state")).expect("our own state")
}

/// The comment with another memory.
pub fn with_memory(body: &str, change: impl FnOnce(&mut Record)) -> String {
    let mut record = record_in(body);
    change(&mut record);
    body.replace(state_in(body).expect("a state"), &state::encode(&record))
}

/// Somebody gives the comment another memory.
pub fn forge<R>(world: &mut World, login: &str, change: impl FnOnce(&mut Record) -> R) -> R {
    let comment = world.sticky(PULL).expect("a comment").clone();
    let mut told = None;
    let body = with_memory(&comment.body, |record| told = Some(change(record)));
    assert!(world.edit_comment(comment.id, login, &body));
    told.expect("it was changed")
}

/// As if vpc had succeeded. Tells the run it had.
fn call_vpc_done(record: &mut Record) -> Run {
    let at = record.rollout.started_at;
    let vpc = record.rollout.deployments.iter_mut().find(|one| one.planned.component == "vpc").unwrap();
    let run = vpc.run().cloned().unwrap();
    vpc.progress = Progress::Ended { end: End::Succeeded, reason: None, at, run: Some(run.clone()), job: None };
    run
}

/// vpc runs for a while, and app needs it.
pub fn one_after_another() -> (Stage, Child) {
    let mut world = world();
    world.when(|run| run.inputs["component"] == *"vpc").takes(Duration::from_millis(1500));
    let list = json!([component("vpc", "plat-dev", "dev", &[component("app", "plat-dev", "dev", &[])])]);
    let stage = Stage::new(world, &list);
    let child = stage.spawn();
    stage.until("vpc runs", |world| world.sticky(PULL).is_some_and(|comment| comment.body.contains("1 running")));
    (stage, child)
}

#[test]
fn a_success_that_only_the_state_tells_of_is_not_believed() {
    let mut world = world();
    world.when(|run| run.inputs["component"] == *"vpc").takes(Duration::from_secs(60));
    let list = json!([component("vpc", "plat-dev", "dev", &[component("app", "plat-dev", "dev", &[])])]);
    let mut stage = Stage::new(world, &list).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.github.world(|world| forge(world, "mallory", call_vpc_done));
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("pending", 0);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1, "app must wait: {}", ended.log);
}

#[test]
fn a_holder_whose_comment_is_another_ones_dispatches_nothing_more() {
    let (stage, child) = one_after_another();
    stage.github.world(|world| {
        forge(world, "github-actions[bot]", |record| record.hand.nonce = "another".to_owned());
    });
    let ended = stage.wait(child);
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("took this rollout over"), "{}", ended.log);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
}

#[test]
fn what_another_holder_dispatched_in_between_is_adopted_though_its_state_was_written_over() {
    let (stage, child) = one_after_another();
    let made = stage.github.world(|world| {
        let rollout = record_in(&world.sticky(PULL).unwrap().body).rollout;
        let app = rollout.deployments.iter().find(|one| one.planned.component == "app").unwrap();
        let (id, component) = (rollout.id(app), "app".to_owned());
        let inputs = [("component", component.as_str()), ("stack", "plat-dev"), ("atmos_pro_run_id", id.as_str())];
        world.trigger("atmos-terraform-apply.yaml", "workflow_dispatch", "hubot", &inputs)
    });
    let ended = stage.wait(child);
    ended.expect("succeeded", 0);
    let rows: serde_json::Value = serde_json::from_str(ended.output("deployments")).unwrap();
    let app = rows.as_array().unwrap().iter().find(|row| row["component"] == "app").unwrap();
    assert_eq!(app["run-id"], made, "{}", ended.log);
    assert_eq!(stage.dispatched().get("app plat-dev"), None, "{}", ended.log);
}

#[test]
fn a_comment_that_people_edit_or_damage_is_written_anew_and_the_rollout_goes_on() {
    for damage in [false, true] {
        let (stage, child) = one_after_another();
        stage.github.world(|world| {
            let comment = world.sticky(PULL).unwrap().clone();
            let edited = if damage {
                comment.body.replace("deployment-approvals-state ", "deployment-approvals-state !")
            } else {
                format!("{}\n\nThanks!", comment.body)
            };
            assert!(world.edit_comment(comment.id, "hubot", &edited));
        });
        let ended = stage.wait(child);
        ended.expect("succeeded", 0);
        assert_eq!(stage.dispatched().values().sum::<usize>(), 2, "{}", ended.log);
        assert_eq!(stage.github.world(|world| world.comments_on(PULL).len()), 1);
        assert!(stage.comment().contains("All 2 deployments succeeded"), "{}", stage.comment());
    }
}

#[test]
fn a_success_whose_run_was_deleted_is_kept_and_nothing_that_needs_it_is_dispatched() {
    let mut world = world();
    world.when(|run| run.inputs["component"] == *"dns").fails("terraform apply");
    let list = json!([
        component("vpc", "plat-dev", "dev", &[component("app", "plat-prod", "prod", &[])]),
        component("dns", "plat-dev", "dev", &[]),
    ]);
    let mut stage = Stage::new(world, &list).input("wait", "false");
    stage.run();
    stage.until("both end", |world| (0..2).all(|index| world.dispatched(index).unwrap().status() == "completed"));
    stage.github.world(|world| {
        let run = forge(world, "hubot", call_vpc_done);
        world.delete_run(run.id);
    });
    for _ in 0..3 {
        stage.next_attempt();
        stage.run();
    }
    let ended = stage.run();
    let mut statuses = ended.statuses();
    statuses.sort();
    assert_eq!(statuses, ["app plat-prod: failed", "dns plat-dev: failed", "vpc plat-dev: succeeded"], "{}", ended.log);
    let sent = stage.dispatched();
    assert_eq!((sent["vpc plat-dev"], sent.get("app plat-prod")), (1, None), "{}", ended.log);
}

#[test]
fn a_renamed_repository_is_not_deployed_again() {
    let mut stage = Stage::new(world(), &one_in_prod()).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.github.world(|world| {
        // The run's title shows the id that was made of the name before.
        let id = forge(world, "github-actions[bot]", |record| {
            record.rollout.subject.repository = "acme/before".to_owned();
            record.rollout.id(&record.rollout.deployments[0])
        });
        let run = world.dispatched(0).unwrap().id;
        let run = world.runs.get_mut(&run).unwrap();
        run.title = format!("apply vpc in plat-prod | {id}");
    });
    stage.next_attempt();
    stage.run().expect("pending", 0);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
}

#[test]
fn a_copy_whose_writer_was_killed_before_it_could_withdraw_is_cleared_away() {
    let (stage, child) = one_after_another();
    let marker = stage.comment().lines().next().unwrap().to_owned();
    let (lost, quoted) = stage.github.world(|world| {
        let own = world.sticky(PULL).unwrap().clone();
        (world.comment(PULL, own.author, &own.body), world.comment(PULL, "mallory", &format!("{marker}\nhi")))
    });
    stage.wait(child).expect("succeeded", 0);
    stage.github.world(|world| {
        let left: Vec<u64> = world.comments_on(PULL).iter().map(|comment| comment.id).collect();
        assert!(!left.contains(&lost), "the copy stands");
        assert!(left.contains(&quoted), "another's comment was deleted");
        assert_eq!(left.len(), 2);
    });
}

#[test]
fn who_loses_leaves_no_copy_though_no_creation_was_answered() {
    // What another process, which is quicker by a moment, writes: as one that is killed right after.
    let quicker = Stage::new(quick_world(), &one_in_prod());
    let child = Arc::new(Mutex::new(None::<Child>));
    let killed = Arc::clone(&child);
    quicker
        .github
        .after_effect(When::post("/comments"), move || killed.lock().unwrap().as_mut().unwrap().kill().unwrap());
    *child.lock().unwrap() = Some(quicker.spawn());
    quicker.wait_shared(&child);
    let body = quicker.github.world(|world| world.sticky(PULL).unwrap().body.clone());
    for fault in [Fault::EffectThen502, Fault::ResetAfter, Fault::HangBefore(Duration::from_millis(1500))] {
        let mut world = quick_world();
        world.workflow("deploy.yml", "on: workflow_dispatch\njobs: {deploy: {runs-on: x, steps: [{run: x}]}}");
        world.when(|run| run.path.ends_with("deploy.yml")).takes(Duration::from_secs(60));
        let other = world.trigger("deploy.yml", "workflow_dispatch", "hubot", &[]);
        world.faults.once(When::post("/comments"), fault.clone());
        let stage = Stage::new(world, &one_in_prod()).input("wait", "false");
        let (github, before) = (stage.github.clone(), with_memory(&body, |record| record.hand.run = other));
        let older = before.clone();
        stage.github.after_effect(When::get("/issues/{issue_number}/comments"), move || {
            github.world(|world| world.comment(PULL, world.identity.clone(), &older));
        });
        let ended = stage.run();
        stage.github.wait_for_the_late();
        stage.github.world(|world| {
            let left: Vec<bool> = world.comments_on(PULL).iter().map(|comment| comment.body == before).collect();
            assert_eq!(left, [true], "{}: {}", fault.name(), ended.log);
            assert_eq!(world.dispatches().len(), 0, "{}: {}", fault.name(), ended.log);
        });
    }
}

#[test]
fn a_comment_of_somebody_else_is_not_believed() {
    let mut world = world();
    let before = {
        let stage = Stage::new(crate::stage::world(), &one_in_prod()).input("wait", "false");
        stage.run();
        stage.github.world(|world| world.sticky(PULL).unwrap().body.clone())
    };
    world.comment(PULL, User::named("mallory"), &before);
    let stage = Stage::new(world, &one_in_prod()).input("wait", "false");
    stage.run().expect("pending", 0);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
    assert_eq!(stage.github.world(|world| world.comments_on(PULL).len()), 2);
}

#[test]
fn a_state_that_names_a_foreign_run_is_not_believed() {
    // A state whose run is of another workflow: the id in the title leads to the right one.
    let mut stage = Stage::new(world(), &one_in_prod()).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.github.world(|world| {
        world.workflow("other.yml", "on: workflow_dispatch\njobs: {a: {runs-on: x, steps: [{run: x}]}}");
        let run = world.dispatches()[0].run;
        world.runs.get_mut(&run).unwrap().path = ".github/workflows/other.yml".to_owned();
    });
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("pending", 0);
    assert!(ended.log.contains("a wrong run was named"), "{}", ended.log);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1, "it is looked for, not sent again");
}
