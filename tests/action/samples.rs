//! Affected lists as Atmos writes them: each gives a rollout, or one clear error that says what is missing.

use std::fs;

use serde_json::Value;
use simulated_github::Environment;

use crate::stage::{APPLY, Ended, Stage, world};

fn run(sample: &str) -> (Stage, Ended) {
    let mut world = world();
    world.workflow("atmos-terraform-apply.yaml", APPLY);
    world.environment(Environment::named("plat-dev"));
    world.environment(Environment::named("plat-prod"));
    let list: Value = serde_json::from_str(&fs::read_to_string(format!("tests/samples/{sample}")).unwrap()).unwrap();
    let stage = Stage::new(world, &list);
    let ended = stage.run();
    (stage, ended)
}

#[test]
fn a_tree_of_dependents_with_settings_becomes_a_rollout_in_order() {
    let (stage, ended) = run("05-derived-advanced-pr167-include-dependents-include-settings.json");
    ended.expect("succeeded", 0);
    insta::assert_snapshot!(ended.statuses().join("\n"));
    assert!(stage.dispatched().values().all(|count| *count == 1), "{:?}", stage.dispatched());
    let rows: Value = serde_json::from_str(ended.output("deployments")).unwrap();
    let id = |name: &str, stack: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["component"] == name && row["stack"] == stack);
        row.unwrap().clone()
    };
    assert_eq!(id("cdn", "plat-use2-prod")["needs"][0], id("frontend", "plat-use2-prod")["id"]);
}

#[test]
fn lists_without_settings_say_of_each_component_what_is_missing() {
    for (sample, names) in [
        ("01-real-fixture-cloudposse-affected-stacks-action.json", 6),
        ("02-real-docs-affected_all-file-folder-spacelift.json", 6),
        ("03-real-docs-include-dependents.json", 3),
    ] {
        let (stage, ended) = run(sample);
        ended.expect("failed", 1);
        let told = ended.log.matches("nothing maps it to an environment").count();
        assert_eq!(told, names, "{sample}: {}", ended.log);
        assert!(stage.github.world(|world| world.dispatches().is_empty()));
        assert!(stage.comment().contains("Nothing was deployed"), "{}", stage.comment());
        assert!(ended.log.contains("pull-request: 42"), "how to go on: {}", ended.log);
    }
}

#[test]
fn deleted_components_are_listed_as_skipped_with_the_reason() {
    let (_, ended) = run("04-real-docs-deleted.json");
    ended.expect("skipped", 0);
    assert_eq!(ended.output("skipped"), "3");
    let rows: Value = serde_json::from_str(ended.output("deployments")).unwrap();
    assert!(rows[0]["reason"].as_str().unwrap().contains("deleted"), "{rows}");
}

#[test]
fn what_was_deleted_is_not_applied_whatever_settings_it_still_carries() {
    let mut item = crate::stage::component("vpc", "plat-dev", "dev", &[]);
    item["deleted"] = true.into();
    let stage = Stage::new(world(), &Value::Array(vec![item]));
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert!(stage.dispatched().is_empty(), "{}", ended.log);
}
