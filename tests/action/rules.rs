//! Teams without Atmos: a config file, plain lists, changed files.

use std::{collections::BTreeSet, fs, time::Duration};

use serde_json::{Value, json};
use simulated_github::{ChangedFile, Environment, ReviewState::Approved, World};

use crate::stage::{Ended, PULL, Stage, will_say, world};

/// A workflow that takes any environment and shows the id in its title.
pub const ANY: &str = "
name: apply
run-name: apply ${{ inputs.component }} | ${{ inputs.deployment_id }}
on:
  workflow_dispatch:
    inputs:
      component: {type: string, required: true}
      stack: {type: string}
      github_environment: {type: string, required: true}
      sha: {type: string}
      deployment_id: {type: string}
jobs:
  apply:
    runs-on: ubuntu-latest
    environment: ${{ inputs.github_environment }}
    steps: [{name: apply, run: make apply}]
";

pub const CONFIG: &str = r#"version: 1
workflow: apply.yml
inputs:
  component: "{{ component }}"
  github_environment: "{{ environment }}"
environments:
  prod: {after: [dev]}
rules:
  - match: {path: "live/{stage}/{component}/**"}
    environment: "{{ stage }}"
  - match: {component: "svc-*"}
    environment: [dev, prod]
  - match: {path: "docs/**"}
    environment: none
"#;

/// A stage with a list and the config above. What a text lists is there.
pub fn with_config(mut world: World, affected: &str) -> Stage {
    world.workflow("apply.yml", ANY);
    affected.lines().for_each(|line| world.file(line, ""));
    let stage = Stage::new(world, &json!([]));
    fs::write(stage.folder.path().join("affected.json"), affected).unwrap();
    fs::create_dir(stage.folder.path().join(".github")).unwrap();
    fs::write(stage.folder.path().join(".github/deployments.yml"), CONFIG).unwrap();
    stage
}

pub fn rows(ended: &Ended) -> Vec<String> {
    let rows: Value = serde_json::from_str(ended.output("deployments")).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let told =
        |row: &Value| format!("{} → {}: {}", text(row, "component"), text(row, "environment"), text(row, "status"));
    rows.as_array().unwrap().iter().map(told).collect()
}

#[test]
fn a_text_of_paths_and_names_is_mapped_by_rules_and_waits_for_the_environment_before() {
    let mut world = world();
    will_say(&mut world, "svc-api", "prod", Approved, "");
    let stage = with_config(world, "live/dev/vpc/main.tf\r\nlive/dev/vpc/x.tf\r\nsvc-api\n\ndocs/a.md\n");
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert_eq!(
        rows(&ended),
        ["vpc → dev: succeeded", "svc-api → dev: succeeded", "svc-api → prod: succeeded", "docs → -: skipped"]
    );
    let needs: Value = serde_json::from_str(ended.output("deployments")).unwrap();
    assert_eq!(needs[2]["needs"], json!([needs[1]["id"]]));
    assert!(stage.comment().contains("rule 3"), "{}", stage.comment());
}

#[test]
fn a_line_that_nothing_maps_is_an_error_that_names_it_and_the_remedy() {
    let stage = with_config(world(), "README.md\nlive/dev/vpc\n");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("`README.md` (line 1 of the list): nothing maps it"), "{}", ended.log);
    assert!(ended.log.contains("environment: none"), "{}", ended.log);
    assert!(stage.dispatched().is_empty());
}

#[test]
fn a_plain_json_list_needs_no_config_at_all() {
    let mut world = world();
    world.workflow("apply.yml", ANY);
    let inputs = |name: &str| json!({"component": name, "github_environment": "dev"});
    let list = json!([
        {"component": "app", "environment": "dev", "workflow": "apply.yml", "inputs": inputs("app"), "needs": ["db"]},
        {"component": "db", "environment": "dev", "workflow": "apply.yml", "inputs": inputs("db")},
    ]);
    let stage = Stage::new(world, &list);
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert_eq!(rows(&ended), ["db → dev: succeeded", "app → dev: succeeded"]);
}

#[test]
fn changed_files_are_found_without_a_list_and_the_config_in_the_repository() {
    let mut world = world();
    world.workflow("apply.yml", ANY);
    world.file(".github/deployments.yml", CONFIG);
    world.file("live/dev/vpc/main.tf", "");
    world.file("live/dev/new/main.tf", "");
    world.open_pull_request(PULL, "Move things", "octocat").files = vec![
        ChangedFile::modified("README.md"),
        ChangedFile::modified("live/dev/vpc/main.tf"),
        ChangedFile::removed("live/prod/old/main.tf"),
        ChangedFile::renamed("live/dev/before/main.tf", "live/dev/new/main.tf"),
    ];
    world.merge(PULL, "hubot");
    let stage = Stage::new(world, &json!([])).input("affected", "");
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert_eq!(
        rows(&ended),
        ["vpc → dev: succeeded", "old → -: skipped", "new → dev: succeeded", "before → -: skipped"]
    );
    assert!(ended.log.contains("4 changed files belong to 4 components; 1 match no rule"), "{}", ended.log);
    let asked = stage.github.world(|world| {
        let paths = world.exchanges.iter().map(|exchange| exchange.path.clone());
        paths.filter(|path| path.contains("/contents/live")).collect::<std::collections::BTreeSet<_>>()
    });
    assert_eq!(asked.len(), 2, "only folders that lost a file and show no other: {asked:?}");
}

/// Asked paths below `contents`, but for workflows and config.
fn asked(stage: &Stage) -> BTreeSet<String> {
    stage.github.world(|world| {
        let folders = world.exchanges.iter().filter_map(|exchange| exchange.path.split_once("/contents/"));
        let folders = folders.map(|(_, path)| path.split('?').next().unwrap_or(path).to_owned());
        folders.filter(|path| !path.starts_with(".github")).collect()
    })
}

#[test]
fn a_line_of_a_text_whose_folder_is_gone_is_deleted_as_a_changed_file_would_be() {
    let list = "live/prod/old/main.tf\nlive/prod/old/x.tf\nlive/dev/vpc/main.tf\nsvc-api\ndocs/a.md\n";
    let stage = with_config(world(), list);
    stage.github.world(|world| {
        world.environment(Environment::named("prod"));
        world.branches.get_mut("main").unwrap().files.retain(|path, _| !path.starts_with("live/prod"));
    });
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert_eq!(
        rows(&ended),
        [
            "old → -: skipped",
            "vpc → dev: succeeded",
            "svc-api → dev: succeeded",
            "svc-api → prod: succeeded",
            "docs → -: skipped",
        ]
    );
    assert!(stage.comment().contains("it was deleted, and no rule says what to do"), "{}", stage.comment());
    assert_eq!(asked(&stage), BTreeSet::from(["live/dev", "live/prod"].map(str::to_owned)));
}

#[test]
fn a_text_that_names_more_folders_than_can_be_asked_about_is_refused() {
    let list: String = (0..1001).map(|index| format!("live/e{index}/c/main.tf\n")).collect();
    let stage = with_config(world(), &list);
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("names components in 1001 folders, and no more than 1000 are asked"), "{}", ended.log);
    assert!(ended.log.contains("comment-key") && asked(&stage).is_empty(), "{}", ended.log);
}

#[test]
fn more_files_than_github_lists_point_to_the_input() {
    let mut world = world();
    world.workflow("apply.yml", ANY);
    world.open_pull_request(PULL, "Format all", "octocat").files =
        (0..3001).map(|index| ChangedFile::modified(&format!("live/dev/c{index}/main.tf"))).collect();
    world.merge(PULL, "hubot");
    world.file(".github/deployments.yml", CONFIG);
    let stage = Stage::new(world, &json!([])).input("affected", "").input("max-deployments", "0");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("3000 GitHub lists") && ended.log.contains("`affected`"), "{}", ended.log);
}

#[test]
fn all_pages_of_changed_files_are_read() {
    let mut world = world();
    world.workflow("apply.yml", ANY);
    world.file(".github/deployments.yml", CONFIG);
    world.open_pull_request(PULL, "Format all", "octocat").files =
        (0..250).map(|index| ChangedFile::modified(&format!("live/dev/c{}/f{index}.tf", index % 125))).collect();
    world.merge(PULL, "hubot");
    let stage =
        Stage::new(world, &json!([])).input("affected", "").input("max-deployments", "0").input("dry-run", "true");
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert_eq!(rows(&ended).len(), 125);
}

#[test]
fn neither_list_nor_rules_is_a_mistake_that_says_both_ways_out() {
    let stage = Stage::new(world(), &json!([])).input("affected", "");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("input `affected`: is empty, and there is no config file"), "{}", ended.log);
    let named = Stage::new(world(), &json!([])).input("config", "nope.yml");
    assert!(named.run().log.contains("input `config`, file `nope.yml`: is neither in the workspace nor"));
}

#[test]
fn a_merge_into_a_branch_that_is_not_deployed_is_skipped() {
    let mut world = world();
    world.branch("feature");
    world.open_pull_request(PULL, "Stacked", "octocat").base_ref = "feature".to_owned();
    world.merge(PULL, "hubot");
    let stage = with_config(world, "svc-api\n");
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert!(ended.log.contains("goes into `feature`, and deployed is `main`"), "{}", ended.log);
    let config = format!("branches: [\"feat*\", main]\n{CONFIG}");
    fs::write(stage.folder.path().join(".github/deployments.yml"), config).unwrap();
    assert!(!stage.run().log.contains("was merged into"));
}

#[test]
fn a_retried_deployment_has_its_new_id_in_its_inputs() {
    let mut world = world();
    world.when(|_| true).fails("apply");
    let mut stage = with_config(world, "live/dev/vpc\n");
    let config = CONFIG.replace("inputs:\n", "inputs:\n  deployment_id: \"try {{ deployment_id }}\"\n");
    fs::write(stage.folder.path().join(".github/deployments.yml"), config).unwrap();
    stage.run().expect("failed", 1);
    stage.github.world(|world| {
        world.when(|_| true).takes(Duration::from_millis(10));
    });
    stage.next_attempt();
    stage.run();
    let ids: Vec<String> = stage.github.world(|world| {
        world.dispatches().iter().map(|dispatch| dispatch.inputs["deployment_id"].to_string()).collect()
    });
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with("try ") && id.len() == 16), "{ids:?}");
    assert_ne!(ids[0], ids[1]);
    let rows: Vec<Value> = serde_json::from_str(stage.run().output("deployments")).unwrap();
    assert_eq!(format!("try {}", rows[0]["id"].as_str().unwrap()), ids[1]);
}

#[test]
fn a_dry_run_shows_which_rule_decided() {
    let stage = with_config(world(), "svc-api\ndocs/x\n").input("dry-run", "true");
    let ended = stage.run();
    ended.expect("skipped", 0);
    for text in [&ended.log, &ended.summary] {
        assert!(text.contains("rule 2 (line 11), default workflow") && text.contains("rule 3 (line 13)"), "{text}");
    }
    assert!(stage.dispatched().is_empty());
}

#[test]
fn a_rule_that_never_matches_is_a_warning_and_stops_nothing() {
    let stage = with_config(world(), "live/dev/vpc\n");
    let config = format!("{CONFIG}  - {{match: {{path: 'live/x/{{component}}/**'}}, environment: dev}}\n");
    fs::write(stage.folder.path().join(".github/deployments.yml"), config).unwrap();
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert!(
        ended.log.contains("::warning title=config,file=.github/deployments.yml,line=15,col=5::")
            && ended.log.contains("can never match: rule 1"),
        "{}",
        ended.log
    );
}

#[test]
fn a_config_outside_the_workspace_is_refused_before_anything_is_asked() {
    let outside = with_config(world(), "svc-api\n").input("config", "../../../../etc/passwd");
    let absolute = with_config(world(), "svc-api\n").input("config", "/etc/passwd");
    for stage in [outside, absolute] {
        let ended = stage.run();
        ended.expect("failed", 1);
        assert!(ended.log.contains("input `config`") && ended.log.contains("inside it"), "{}", ended.log);
        assert_eq!(stage.github.world(|world| world.exchanges.len()), 0);
    }
}

#[test]
fn names_with_every_meaningful_character_harm_neither_comment_nor_log() {
    let mut world = world();
    world.workflow("apply.yml", ANY);
    let name = "a`b|c*d_<img src=x>&h\"i' $(j) %0A::error::l ##[x] @mona #1 é 漢 -->";
    let list = json!([{"component": name, "environment": "dev", "workflow": "apply.yml",
        "inputs": {"component": name, "github_environment": "dev"}}]);
    let stage = Stage::new(world, &list);
    let ended = stage.run();
    ended.expect("succeeded", 0);
    let comment = stage.comment();
    // The whole name is one code span in one cell.
    assert!(
        comment.contains("| [`aˋb¦c*d_<img src=x>&h\"i' $(j)") && comment.contains("漢 -->`](https://github.com/"),
        "{comment}"
    );
    assert!(!ended.log.lines().any(|line| line.contains("##[x]")), "{}", ended.log);
    assert_eq!(stage.github.world(|world| world.dispatches()[0].inputs["component"].to_string()), name);
}
