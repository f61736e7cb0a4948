//! Mistakes of list and config: told in annotations, comment and summary, mended, and gone on from. Nothing is
//! dispatched meanwhile, and no state of a rollout that has begun is written over.

use std::fs;

use serde_json::json;
use simulated_github::{Environment, World};

use crate::{
    rules::{ANY, CONFIG, with_config},
    stage::{PULL, Stage, component, world},
};

const BROKEN: &str = "rules:\n  - {match: {pth: a}, environment: '{{ x'}\n";

fn write_config(stage: &Stage, text: impl AsRef<[u8]>) {
    fs::create_dir_all(stage.folder.path().join(".github")).unwrap();
    fs::write(stage.folder.path().join(".github/deployments.yml"), text).unwrap();
}

fn asked(stage: &mut Stage) {
    stage.set("GITHUB_EVENT_NAME", "workflow_dispatch");
    stage.set_input("pull-request", "42");
    fs::write(stage.folder.path().join("event.json"), "{}").unwrap();
}

/// The world before the merge.
fn open_world() -> World {
    let mut world = world();
    world.workflow("apply.yml", ANY);
    let pull = world.pulls.get_mut(&PULL).unwrap();
    pull.merged = None;
    pull.closed = None;
    world
}

#[test]
fn every_mistake_of_the_config_is_an_annotation_at_its_line_and_stands_in_the_comment() {
    let stage = with_config(world(), "svc-api\n");
    write_config(&stage, BROKEN);
    let ended = stage.run();
    ended.expect("failed", 1);
    let comment = stage.comment();
    for (place, part) in
        [("line=2,col=14", "did you mean `path`?"), ("line=2,col=36", "`rules[0].environment` is no usable template")]
    {
        let line = ended.log.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{}", ended.log));
        assert!(line.starts_with(&format!("::error title=config,file=.github/deployments.yml,{place}::")), "{line}");
        assert!(comment.replace('\\', "").contains(part), "{comment}");
    }
    assert!(comment.contains("`.github/deployments.yml`, line 2, column 14"), "{comment}");
    assert!(comment.contains("Nothing was deployed") && comment.contains("`pull-request: 42`"), "{comment}");
    assert!(ended.summary.contains("line 2, column 14"), "{}", ended.summary);
    assert!(stage.dispatched().is_empty());

    // Mended, it goes on; nothing was taken for begun.
    write_config(&stage, CONFIG);
    let mut stage = stage;
    asked(&mut stage);
    stage.github.world(|world| world.environment(Environment::named("prod")));
    stage.run().expect("succeeded", 0);
    stage.github.world(|world| assert_eq!((world.dispatches().len(), world.comments_on(PULL).len()), (2, 1)));
}

#[test]
fn mistakes_of_list_and_config_are_told_together() {
    let stage = with_config(world(), "a\n../b\n");
    write_config(&stage, b"rules: [\"\xff\"]");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("::error title=list::") && ended.log.contains("line 2: `../b`"), "{}", ended.log);
    assert!(
        ended.log.contains("::error title=config::") && ended.log.contains("is not UTF-8: byte 9"),
        "{}",
        ended.log
    );
}

#[test]
fn a_list_of_a_million_lines_is_mapped_or_refused_by_its_last_line() {
    let lines: String = (0..1_000_000).map(|index| format!("live/dev/c{}/main.tf\n", index % 40)).collect();
    let stage = with_config(world(), &lines).input("dry-run", "true");
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert_eq!(crate::rules::rows(&ended).len(), 40);
    fs::write(stage.folder.path().join("affected.json"), lines + "../x\n").unwrap();
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("line 1000001: `../x` has a segment `..`"), "{}", ended.log);
}

#[test]
fn a_config_read_at_the_merge_commit_says_that_only_a_checkout_lets_a_mended_one_count() {
    let mut world = world();
    world.workflow("apply.yml", ANY);
    world.file(".github/deployments.yml", BROKEN);
    world.merge(PULL, "hubot");
    let mut stage = Stage::new(world, &json!([]));
    fs::write(stage.folder.path().join("affected.json"), "svc-api\n").unwrap();
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("check the branch out before this step"), "{}", ended.log);
    // Mended on the branch, it still is what it was at the merge commit; checked out, it counts.
    stage.github.world(|world| {
        world.push("main", ".github/deployments.yml", CONFIG);
        world.environment(Environment::named("prod"));
    });
    asked(&mut stage);
    stage.run().expect("failed", 1);
    write_config(&stage, CONFIG);
    stage.run().expect("succeeded", 0);
}

#[test]
fn a_preview_of_a_broken_list_or_config_replaces_the_one_before() {
    let stage = Stage::new(open_world(), &json!([]));
    fs::write(stage.folder.path().join("event.json"), r#"{"action": "synchronize", "number": 42}"#).unwrap();
    fs::write(stage.folder.path().join("affected.json"), "svc-api\n").unwrap();
    write_config(&stage, CONFIG);
    stage.run().expect("skipped", 0);
    assert!(stage.comment().contains("A merge would make 2 deployments"), "{}", stage.comment());
    write_config(&stage, BROKEN);
    stage.run().expect("failed", 1);
    let comment = stage.comment();
    assert!(comment.contains("A merge would deploy nothing: the checks found 2 errors"), "{comment}");
    write_config(&stage, CONFIG);
    fs::write(stage.folder.path().join("affected.json"), "[{\"component\": 5}]").unwrap();
    stage.run().expect("failed", 1);
    let comment = stage.comment();
    assert!(comment.contains("`[0].component`") && !comment.contains("did you mean"), "{comment}");
}

#[test]
fn what_is_not_deployed_anyway_is_skipped_whatever_its_list_says() {
    let labelled = with_config(world(), "../x\n");
    labelled.github.world(|world| world.pulls.get_mut(&PULL).unwrap().labels.push("No-Apply".to_owned()));
    write_config(&labelled, BROKEN);
    let ended = labelled.run();
    ended.expect("skipped", 0);
    assert!(!ended.log.contains("::error"), "{}", ended.log);

    let mut world = world();
    world.branch("feature");
    world.open_pull_request(PULL, "Stacked", "octocat").base_ref = "feature".to_owned();
    world.merge(PULL, "hubot");
    let ended = with_config(world, "../x\n").run();
    ended.expect("skipped", 0);
    assert!(ended.log.contains("goes into `feature`") && !ended.log.contains("::error"), "{}", ended.log);
}

#[test]
fn a_rollout_that_has_begun_reads_neither_list_nor_config_again() {
    let stage = Stage::new(world(), &json!([component("vpc", "plat-dev", "dev", &[])])).input("wait", "false");
    stage.run();
    fs::write(stage.folder.path().join("affected.json"), "{").unwrap();
    write_config(&stage, BROKEN);
    let mut stage = stage.input("wait", "true");
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert!(!ended.log.contains("title=list"), "{}", ended.log);
    assert!(stage.dispatched().values().all(|count| *count == 1), "{:?}", stage.dispatched());
}

#[test]
fn a_refusal_in_place_of_a_lost_state_does_not_make_the_next_run_forget_what_was_dispatched() {
    let mut world = world();
    // Its runs' titles show no ids: what was dispatched cannot be found again.
    world.workflow("atmos-terraform-apply.yaml", &crate::stage::APPLY.replace(" | ${{ inputs.atmos_pro_run_id }}", ""));
    let mut stage = Stage::new(world, &json!([component("vpc", "plat-dev", "dev", &[])])).input("wait", "false");
    stage.run();
    assert_eq!(stage.dispatched().len(), 1);
    let list = fs::read_to_string(stage.folder.path().join("affected.json")).unwrap();
    // Somebody damages the state, and the list is broken just then.
    stage.github.world(|world| {
        world.comments[0].body = world.comments[0].body.replace("-state ", "-state x");
    });
    fs::write(stage.folder.path().join("affected.json"), "{").unwrap();
    stage.next_attempt();
    stage.run().expect("failed", 1);
    assert!(
        stage.comment().contains("Nothing was deployed") || stage.comment().contains("errors"),
        "{}",
        stage.comment()
    );
    fs::write(stage.folder.path().join("affected.json"), list).unwrap();
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("it cannot be told what was dispatched before"), "{}", ended.log);
    assert!(stage.dispatched().values().all(|count| *count == 1), "{:?}", stage.dispatched());
}

#[test]
fn a_refusal_never_writes_over_a_rollout_that_another_process_began_meanwhile() {
    let mut stage = Stage::new(world(), &json!([component("vpc", "plat-prod", "prod", &[])])).input("wait", "false");
    fs::rename(stage.folder.path().join("affected.json"), stage.folder.path().join("good.json")).unwrap();
    stage.run().expect("failed", 1);
    let refused = stage.github.world(|world| world.comments[0].body.clone());
    stage.set_input("affected", "good.json");
    stage.run().expect("pending", 0);
    // The rollout begins just when a second process has looked, and is about to write that its list is missing.
    stage.github.world(|world| {
        let live = std::mem::replace(&mut world.comments[0].body, refused);
        let mut live = Some(live);
        world.on_request(move |world, request| {
            if request.route.is_some_and(|route| route.ends_with("/issues/comments/{comment_id}"))
                && let Some(live) = live.take()
            {
                world.comments[0].body = live;
            }
        });
    });
    stage.set_input("affected", "affected.json");
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("pending", 0);
    assert!(stage.comment().contains("for approval"), "{}", stage.comment());
    assert!(stage.dispatched().values().all(|count| *count == 1), "{:?}", stage.dispatched());
}
