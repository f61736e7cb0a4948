//! A workflow file, as far as a dispatch depends on it: its trigger, its inputs, its title. Pure.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax>

use std::collections::BTreeMap;

use serde_json::Value;

use crate::plan::ID_MARK;

/// What a workflow declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// It has the trigger `workflow_dispatch`.
    pub dispatchable: bool,
    /// Its inputs.
    pub inputs: BTreeMap<String, Input>,
    /// Its `run-name`.
    pub run_name: Option<String>,
}

/// A declared input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Input {
    /// It must be given.
    pub required: bool,
    /// It has a default.
    pub default: bool,
    /// The values it takes, where it is a choice.
    pub options: Option<Vec<String>>,
}

/// Inputs a dispatch may have.
/// <https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event>
pub const MOST_INPUTS: usize = 25;

/// Characters all inputs of a dispatch may have together.
pub const MOST_CHARACTERS: usize = 65_535;

/// Reads a workflow file.
///
/// # Errors
/// Why it is no workflow, with line and column.
pub fn read(text: &str) -> Result<Declared, String> {
    let document: Value = serde_saphyr::from_str(text)
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())?;
    let Value::Object(top) = document else {
        return Err("it is no YAML mapping".to_owned());
    };
    // A YAML 1.1 reader takes the key `on` for `true`.
    let trigger = top.get("on").or_else(|| top.get("true"));
    let dispatch = match trigger {
        Some(Value::String(name)) => (name == "workflow_dispatch").then_some(&Value::Null),
        Some(Value::Array(names)) => names.iter().any(|name| name == "workflow_dispatch").then_some(&Value::Null),
        Some(Value::Object(events)) => events.get("workflow_dispatch"),
        _ => None,
    };
    let inputs = dispatch.and_then(|dispatch| dispatch.get("inputs")).and_then(Value::as_object);
    Ok(Declared {
        dispatchable: dispatch.is_some(),
        inputs: inputs.into_iter().flatten().map(|(name, input)| (name.clone(), declared(input))).collect(),
        run_name: top.get("run-name").and_then(Value::as_str).map(str::to_owned),
    })
}

fn declared(input: &Value) -> Input {
    let kind = input.get("type").and_then(Value::as_str);
    let options = input.get("options").and_then(Value::as_array);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Input {
        required: input.get("required").and_then(Value::as_bool).unwrap_or(false),
        default: input.get("default").is_some_and(|default| !default.is_null()),
        options: match kind {
            Some("choice") => Some(options.into_iter().flatten().map(text).collect()),
            Some("boolean") => Some(vec!["true".to_owned(), "false".to_owned()]),
            _ => None,
        },
    }
}

impl Declared {
    /// The inputs of a dispatch: what was set, and what this action fills in where the workflow declares it
    /// and nobody set it.
    pub fn filled(&self, set: &BTreeMap<String, String>, merge_commit: &str, id: &str) -> BTreeMap<String, String> {
        let mut inputs: BTreeMap<String, String> =
            set.iter().map(|(name, value)| (name.clone(), value.replace(ID_MARK, id))).collect();
        for (name, value) in [("sha", merge_commit), ("atmos_pro_run_id", id), ("deployment_id", id)] {
            let name = self.inputs.keys().find(|declared| declared.eq_ignore_ascii_case(name));
            if let Some(name) = name
                && !set.keys().any(|set| set.eq_ignore_ascii_case(name))
            {
                inputs.insert(name.clone(), value.to_owned());
            }
        }
        inputs
    }

    /// Whether a run dispatched with these inputs shows the id in its title.
    pub fn shows(&self, inputs: &BTreeMap<String, String>, id: &str) -> bool {
        let Some(run_name) = &self.run_name else {
            return false;
        };
        expressions(run_name)
            .any(|expression| inputs.iter().any(|(name, value)| value.contains(id) && refers(expression, name)))
    }
}

/// The texts between `${{` and `}}`.
pub fn expressions(text: &str) -> impl Iterator<Item = &str> {
    text.split("${{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(expression, _)| expression.trim())
}

/// Whether an expression is just the input of that name.
pub fn refers(expression: &str, input: &str) -> bool {
    ["inputs.", "github.event.inputs."].iter().any(|prefix| {
        expression.len() == prefix.len() + input.len()
            && expression.to_ascii_lowercase() == format!("{prefix}{}", input.to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLY: &str = "
name: apply
run-name: apply ${{ inputs.component }} ${{inputs.atmos_pro_run_id}}
on:
  workflow_dispatch:
    inputs:
      component: {type: string, required: true}
      atmos_pro_run_id: {type: string}
      sha: {type: string, required: false, default: ''}
      mode: {type: choice, options: [plan, apply], default: apply}
jobs: {}
";

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_way_to_write_the_trigger_is_understood() {
        for on in [
            "on: workflow_dispatch",
            "on: [push, workflow_dispatch]",
            "on:\n  workflow_dispatch:",
            "'on': {workflow_dispatch: {}}",
        ] {
            assert!(read(on).expect("YAML").dispatchable, "{on}");
        }
        for on in ["on: push", "on: [push]", "on: {push: {}}", "name: x"] {
            assert!(!read(on).expect("YAML").dispatchable, "{on}");
        }
        assert!(read("on: [").is_err() && read("- a").is_err());
    }

    #[test]
    fn declared_inputs_nobody_set_are_filled_and_set_ones_are_left() {
        let declared = read(APPLY).expect("YAML");
        let filled = declared.filled(&map(&[("component", "vpc"), ("sha", "mine")]), "c0ffee", "id");
        assert_eq!(filled, map(&[("atmos_pro_run_id", "id"), ("component", "vpc"), ("sha", "mine")]));
    }

    #[test]
    fn a_title_shows_the_id_only_through_an_input_that_carries_it() {
        let declared = read(APPLY).expect("YAML");
        assert!(declared.shows(&map(&[("atmos_pro_run_id", "abc")]), "abc"));
        assert!(!declared.shows(&map(&[("deployment_id", "abc")]), "abc"));
        assert!(!read("on: workflow_dispatch").expect("YAML").shows(&map(&[("deployment_id", "abc")]), "abc"));
    }
}
