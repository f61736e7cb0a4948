//! The JSON Schemas in the repository say what the types say.

use std::{collections::BTreeSet, fs};

use deployment_approvals::{
    config::{Config, ENVIRONMENT_KEYS, MATCH_KEYS, RULE_KEYS, TOP_KEYS},
    rollout::Status,
};
use serde_json::{Value, json};

use crate::stage::{Stage, component, world};

fn schema(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(format!(".github/schema/{name}.schema.json")).unwrap()).unwrap()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_config_schema_knows_the_keys_the_reader_knows_and_no_others() {
    let schema = schema("deployments-config");
    let environment = &schema["properties"]["environments"]["additionalProperties"];
    for (place, known) in [
        (&schema, &TOP_KEYS[..]),
        (environment, &ENVIRONMENT_KEYS[..]),
        (&schema["definitions"]["rule"], &RULE_KEYS[..]),
        (&schema["definitions"]["match"], &MATCH_KEYS[..]),
    ] {
        assert_eq!(keys(&place["properties"]), known.iter().copied().collect());
        assert_eq!(place["additionalProperties"], false);
    }
    for missing in ["match", "environment"] {
        assert!(schema["definitions"]["rule"]["required"].as_array().unwrap().contains(&json!(missing)));
    }
}

#[test]
fn the_output_schema_knows_every_key_and_every_status() {
    let schema = schema("deployments-output");
    let ended = Stage::new(world(), &json!([component("vpc", "plat-dev", "dev", &[])])).run();
    let rows: Value = serde_json::from_str(ended.output("deployments")).unwrap();
    let required: BTreeSet<&str> =
        schema["items"]["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let written: BTreeSet<&str> = keys(&rows[0]).into_iter().filter(|key| *key != "pull-request").collect();
    assert_eq!(written, required);
    assert!(keys(&schema["items"]["properties"]).is_superset(&keys(&rows[0])));
    let words: BTreeSet<&str> = [
        Status::Blocked,
        Status::Dispatching,
        Status::Queued,
        Status::Waiting,
        Status::Running,
        Status::Succeeded,
        Status::Failed,
        Status::Rejected,
        Status::Cancelled,
        Status::TimedOut,
        Status::Skipped,
        Status::Expired,
        Status::Lost,
    ]
    .into_iter()
    .map(Status::word)
    .collect();
    let statuses = schema["items"]["properties"]["status"]["enum"].as_array().unwrap();
    assert_eq!(statuses.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>(), words);
}

#[test]
fn the_readmes_config_can_be_read() {
    let readme = fs::read_to_string("README.md").unwrap();
    let section = readme.split("\n## The config file\n").nth(1).unwrap();
    let yaml = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = Config::parse("README.md", yaml).unwrap();
    assert_eq!((config.rules.len(), config.warnings.len()), (3, 0));
    assert!(yaml.contains(schema("deployments-config")["$id"].as_str().unwrap()), "the editor's line");
}
