//! A workflow file, as far as a dispatch depends on it: trigger, inputs, title, jobs, concurrency. Pure.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax>

pub mod expression;
pub mod place;

use std::collections::BTreeMap;

use serde_json::Value;

use self::{expression::Scope, place::line_of};
use crate::{plan::ID_MARK, yaml};

/// What a workflow declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// It has the trigger `workflow_dispatch`.
    pub dispatchable: bool,
    /// The inputs of a dispatch.
    pub inputs: BTreeMap<String, Input>,
    /// The inputs of a call by another workflow.
    pub call_inputs: BTreeMap<String, Input>,
    /// Its `run-name`.
    pub run_name: Option<String>,
    /// Its `concurrency`, where the group lets runs wait for each other.
    pub concurrency: Option<Concurrency>,
    /// Its jobs.
    pub jobs: Vec<Job>,
    /// The line of `on:`.
    pub line: Option<u32>,
}

/// A declared input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Input {
    /// It must be given.
    pub required: bool,
    /// Its default.
    pub default: Option<String>,
    /// `string`, `boolean`, `number`, `choice` or `environment`.
    pub kind: String,
    /// The values it takes, where it is a choice.
    pub options: Vec<String>,
    /// Where it is declared.
    pub line: Option<u32>,
}

/// A workflow-level concurrency group.
/// <https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency>
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Concurrency {
    /// The group, with its expressions.
    pub group: String,
    /// A later run cancels the one that is under way.
    pub cancels: bool,
    /// `queue: max`: every later run waits its turn.
    pub queues: bool,
    /// Where it stands.
    pub line: Option<u32>,
}

/// A job, as far as its environment goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Job {
    /// Its key.
    pub key: String,
    /// Its environment.
    pub environment: Named,
    /// The workflow it calls.
    pub uses: Option<String>,
    /// It is made several times over.
    pub matrix: bool,
    /// What it passes to that, with expressions.
    pub with: BTreeMap<String, String>,
    /// Where it stands.
    pub line: Option<u32>,
}

/// What a job's `environment:` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Named {
    /// There is none.
    #[default]
    Nothing,
    /// A name, with expressions.
    Text(String),
    /// Something of another shape.
    Odd,
}

/// Inputs a dispatch may have.
/// <https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event>
pub const MOST_INPUTS: usize = 25;

/// Characters the inputs of a dispatch may have as JSON.
pub const MOST_CHARACTERS: usize = 65_535;

/// Reads a workflow file.
///
/// # Errors
/// Why it is no workflow, with line and column.
pub fn read(text: &str) -> Result<Declared, String> {
    // As GitHub reads it: `on`, `yes` and the like are no booleans.
    let options = serde_saphyr::options! { strict_booleans: true };
    let document: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let (line, column, what) = yaml::told(&error);
        format!("line {line}, column {column}: {what}")
    })?;
    let Value::Object(top) = document else {
        return Err("it is no YAML mapping".to_owned());
    };
    // A tool that rewrote the file with an older reader left `true:` where `on:` was.
    let trigger = top.get("on").or_else(|| top.get("true"));
    let dispatch = event(trigger, "workflow_dispatch");
    let call = event(trigger, "workflow_call");
    let jobs = top.get("jobs").and_then(Value::as_object);
    Ok(Declared {
        dispatchable: dispatch.is_some(),
        inputs: inputs(dispatch, text, "workflow_dispatch"),
        call_inputs: inputs(call, text, "workflow_call"),
        run_name: top.get("run-name").and_then(Value::as_str).map(str::to_owned),
        concurrency: top.get("concurrency").and_then(|value| concurrency(value, line_of(text, &["concurrency"]))),
        jobs: jobs.into_iter().flatten().map(|(key, value)| job(key, value, text)).collect(),
        line: line_of(text, &["on"]),
    })
}

/// What `on:` says of an event: it may be a word, a list of words, or a map.
fn event<'a>(trigger: Option<&'a Value>, event: &str) -> Option<&'a Value> {
    match trigger {
        Some(Value::String(name)) => (name == event).then_some(&Value::Null),
        Some(Value::Array(names)) => names.iter().any(|name| name == event).then_some(&Value::Null),
        Some(Value::Object(events)) => events.get(event),
        _ => None,
    }
}

fn inputs(event: Option<&Value>, text: &str, name: &str) -> BTreeMap<String, Input> {
    let declared = event.and_then(|event| event.get("inputs")).and_then(Value::as_object);
    let line = |input: &str| line_of(text, &["on", name, "inputs", input]);
    declared.into_iter().flatten().map(|(name, input)| (name.clone(), declare(input, line(name)))).collect()
}

fn declare(input: &Value, line: Option<u32>) -> Input {
    let options = input.get("options").and_then(Value::as_array);
    Input {
        required: input.get("required").and_then(Value::as_bool).unwrap_or(false),
        default: input.get("default").filter(|default| !default.is_null()).map(shown),
        kind: input.get("type").and_then(Value::as_str).unwrap_or("string").to_owned(),
        options: options.into_iter().flatten().map(shown).collect(),
        line,
    }
}

/// A YAML scalar as text.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn concurrency(value: &Value, line: Option<u32>) -> Option<Concurrency> {
    let (group, map) = match value {
        Value::Object(map) => (map.get("group")?, Some(map)),
        other => (other, None),
    };
    let says = |name: &str| map.and_then(|map| map.get(name));
    Some(Concurrency {
        group: shown(group),
        // An expression may come out true.
        cancels: says("cancel-in-progress").is_some_and(|value| *value != Value::Bool(false)),
        queues: says("queue").is_some_and(|queue| queue == "max"),
        line,
    })
}

fn job(key: &str, value: &Value, text: &str) -> Job {
    let named = |value: &Value| match value {
        Value::Null => Named::Nothing,
        Value::String(text) => Named::Text(text.clone()),
        Value::Number(_) | Value::Bool(_) => Named::Text(shown(value)),
        _ => Named::Odd,
    };
    let with = value.get("with").and_then(Value::as_object);
    Job {
        key: key.to_owned(),
        environment: match value.get("environment") {
            None => Named::Nothing,
            Some(Value::Object(map)) => map.get("name").map_or(Named::Odd, named),
            Some(other) => named(other),
        },
        uses: value.get("uses").and_then(Value::as_str).map(str::to_owned),
        matrix: value.get("strategy").is_some(),
        with: with.into_iter().flatten().map(|(name, value)| (name.clone(), shown(value))).collect(),
        line: line_of(text, &["jobs", key, "environment"]),
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
        // The title as GitHub would make it, with a letter for what is not known: an id that is glued to other
        // text would not be found again.
        let mut title = String::new();
        for (index, part) in run_name.split("${{").enumerate() {
            let (expression, text) = if index == 0 { ("", part) } else { part.split_once("}}").unwrap_or(("", part)) };
            let value =
                inputs.iter().find(|(name, _)| refers(expression.trim(), name)).map(|(_, value)| value.as_str());
            if index > 0 {
                title.push_str(value.unwrap_or("x"));
            }
            title.push_str(text);
        }
        crate::identity::ids_in(&title).any(|word| word == id)
    }
}

impl Declared {
    /// What the inputs are in a run that was dispatched with these.
    pub fn scope(&self, given: &BTreeMap<String, String>) -> Scope {
        let mut inputs = defaults(&self.inputs);
        inputs.extend(given.iter().map(|(name, value)| (name.to_ascii_lowercase(), Some(value.clone()))));
        Scope { event: inputs.clone(), inputs }
    }

    /// What the inputs are where this workflow is called by that job.
    pub fn call_scope(&self, job: &Job, caller: &Scope) -> Scope {
        let mut inputs = defaults(&self.call_inputs);
        let given = job.with.iter();
        inputs.extend(given.map(|(name, text)| (name.to_ascii_lowercase(), expression::resolve(text, caller))));
        Scope { inputs, event: caller.event.clone() }
    }
}

fn defaults(inputs: &BTreeMap<String, Input>) -> BTreeMap<String, Option<String>> {
    // A default may be an expression; then it cannot be told.
    let value = |input: &Input| match &input.default {
        Some(text) => expression::resolve(text, &Scope::default()),
        None if input.kind == "boolean" => Some("false".to_owned()),
        None => Some(String::new()),
    };
    inputs.iter().map(|(name, input)| (name.to_ascii_lowercase(), value(input))).collect()
}

impl Job {
    /// The workflow file of this repository it calls, from the repository's root.
    pub fn calls_local(&self) -> Option<&str> {
        self.uses.as_deref()?.strip_prefix("./")
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
            "true:\n  workflow_dispatch:",
            "x: &events {workflow_dispatch: {}}\non: *events",
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
    fn jobs_tell_their_environment_in_every_shape() {
        let declared = read(
            "
on: workflow_dispatch
concurrency: {group: apply, queue: max}
jobs:
  plain: {environment: prod}
  named:
    environment:
      name: ${{ inputs.env }}
      url: https://x
  none: {}
  odd: {environment: [a]}
  calls:
    uses: ./.github/workflows/apply.yml
    with: {target: '${{ inputs.env }}', dry: false}
",
        )
        .expect("YAML");
        let environment = |key: &str| &declared.jobs.iter().find(|job| job.key == key).expect("a job").environment;
        assert_eq!(*environment("plain"), Named::Text("prod".to_owned()));
        assert_eq!(*environment("named"), Named::Text("${{ inputs.env }}".to_owned()));
        assert_eq!((environment("none"), environment("odd")), (&Named::Nothing, &Named::Odd));
        let calls = declared.jobs.iter().find(|job| job.key == "calls").expect("a job");
        assert_eq!(calls.calls_local(), Some(".github/workflows/apply.yml"));
        assert_eq!(calls.with, map(&[("dry", "false"), ("target", "${{ inputs.env }}")]));
        assert!(declared.concurrency.is_some_and(|group| group.queues && !group.cancels && group.line == Some(3)));
    }

    #[test]
    fn a_called_workflow_sees_what_it_is_given_or_its_defaults() {
        let caller = read(APPLY).expect("YAML").scope(&map(&[("COMPONENT", "vpc")]));
        assert_eq!(caller.inputs["component"].as_deref(), Some("vpc"));
        assert_eq!(caller.inputs["mode"].as_deref(), Some("apply"));
        let called = read("on: {workflow_call: {inputs: {a: {}, b: {default: x}, c: {default: '${{ vars.C }}'}}}}");
        let job = Job { with: map(&[("a", "${{ inputs.component }}")]), ..Job::default() };
        let scope = called.expect("YAML").call_scope(&job, &caller);
        assert_eq!(scope.inputs["a"].as_deref(), Some("vpc"));
        assert_eq!(scope.inputs["b"].as_deref(), Some("x"));
        assert_eq!(scope.inputs["c"], None);
        assert_eq!(scope.event["component"].as_deref(), Some("vpc"));
    }

    #[test]
    fn a_title_shows_the_id_only_through_an_input_that_carries_it() {
        let declared = read(APPLY).expect("YAML");
        assert!(declared.shows(&map(&[("atmos_pro_run_id", "0123456789ab")]), "0123456789ab"));
        assert!(!declared.shows(&map(&[("deployment_id", "0123456789ab")]), "0123456789ab"));
        assert!(
            !read("on: workflow_dispatch")
                .expect("YAML")
                .shows(&map(&[("deployment_id", "0123456789ab")]), "0123456789ab")
        );
        let glued = read("run-name: deploy${{ inputs.deployment_id }}\non: workflow_dispatch").expect("YAML");
        assert!(!glued.shows(&map(&[("deployment_id", "0123456789ab")]), "0123456789ab"), "nobody would find it again");
    }
}
