//! A workflow file, as far as a dispatch depends on it: trigger, inputs, title, jobs, concurrency. Pure.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax>

pub mod expression;

use std::collections::BTreeMap;

use self::expression::Scope;
use crate::{
    ordered::Ordered,
    plan::ID_MARK,
    yaml::{self, Key, Node, Value},
};

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
    let top = yaml::read(text).map_err(|(place, what)| format!("{place}: {what}"))?;
    if !matches!(top.value, Value::Map(_)) {
        return Err("it is no YAML mapping".to_owned());
    }
    // A tool that rewrote the file with an older reader left `true:` where `on:` was.
    let trigger = top.pair("on").or_else(|| top.pair("true"));
    let event = |event: &str| trigger.and_then(|(_, trigger)| event_in(trigger, event));
    Ok(Declared {
        dispatchable: event("workflow_dispatch").is_some(),
        inputs: event("workflow_dispatch").map(inputs).unwrap_or_default(),
        call_inputs: event("workflow_call").map(inputs).unwrap_or_default(),
        run_name: top.get("run-name").and_then(Node::text).map(str::to_owned),
        concurrency: top.pair("concurrency").and_then(concurrency),
        jobs: top.get("jobs").map(Node::pairs).unwrap_or_default().iter().map(job).collect(),
        line: trigger.and_then(|(key, _)| key.place.line()),
    })
}

/// What `on:` says of an event: it may be a word, a list of words, or a map.
fn event_in<'a>(trigger: &'a Node, event: &str) -> Option<&'a Node> {
    let named = |node: &&Node| node.text() == Some(event);
    Some(trigger).filter(named).or_else(|| trigger.items().iter().find(named)).or_else(|| trigger.get(event))
}

fn inputs(event: &Node) -> BTreeMap<String, Input> {
    let declared = event.get("inputs").map(Node::pairs).unwrap_or_default();
    declared.iter().map(|(name, input)| (name.name.clone(), declare(name, input))).ordered()
}

fn declare(name: &Key, input: &Node) -> Input {
    Input {
        required: input.get("required").is_some_and(|required| required.value == Value::Bool(true)),
        default: input.get("default").filter(|default| default.value != Value::Null).map(shown),
        kind: input.get("type").and_then(Node::text).unwrap_or("string").to_owned(),
        options: input.get("options").map(Node::items).unwrap_or_default().iter().map(shown).collect(),
        line: name.place.line(),
    }
}

/// A scalar as GitHub makes a text of it.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(written) => match (written.parse::<i64>(), written.parse::<f64>()) {
            (Ok(number), _) => number.to_string(),
            (_, Ok(number)) => number.to_string(),
            _ => written.clone(),
        },
        Value::Text(text) => text.clone(),
        // Nothing that is compared with it is the same.
        Value::List(_) | Value::Map(_) => node.value.kind().to_owned(),
    }
}

fn concurrency((key, node): &(Key, Node)) -> Option<Concurrency> {
    let group = if let Value::Map(_) = node.value { node.get("group")? } else { node };
    Some(Concurrency {
        group: shown(group),
        // An expression may come out true.
        cancels: node.get("cancel-in-progress").is_some_and(|cancels| cancels.value != Value::Bool(false)),
        queues: node.get("queue").is_some_and(|queue| queue.text() == Some("max")),
        line: key.place.line(),
    })
}

fn job((key, node): &(Key, Node)) -> Job {
    let named = |node: &Node| match &node.value {
        Value::Null => Named::Nothing,
        Value::Text(_) | Value::Number(_) | Value::Bool(_) => Named::Text(shown(node)),
        Value::List(_) | Value::Map(_) => Named::Odd,
    };
    let environment = node.pair("environment");
    let with = node.get("with").map(Node::pairs).unwrap_or_default();
    Job {
        key: key.name.clone(),
        environment: match environment {
            None => Named::Nothing,
            Some((_, node)) if matches!(node.value, Value::Map(_)) => node.get("name").map_or(Named::Odd, named),
            Some((_, node)) => named(node),
        },
        uses: node.get("uses").and_then(Node::text).map(str::to_owned),
        matrix: node.get("strategy").is_some(),
        with: with.iter().map(|(name, value)| (name.name.clone(), shown(value))).ordered(),
        line: environment.map_or(key, |(environment, _)| environment).place.line(),
    }
}

impl Declared {
    /// The inputs of a dispatch: what was set, and what this action fills in where the workflow declares it
    /// and nobody set it.
    pub fn filled(&self, set: &BTreeMap<String, String>, merge_commit: &str, id: &str) -> BTreeMap<String, String> {
        let mut inputs: BTreeMap<String, String> =
            set.iter().map(|(name, value)| (name.clone(), value.replace(ID_MARK, id))).ordered();
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
    inputs.iter().map(|(name, input)| (name.to_ascii_lowercase(), value(input))).ordered()
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
