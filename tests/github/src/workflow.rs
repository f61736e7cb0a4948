//! A workflow's YAML, which alone decides what a run of it asks for and does.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax>

use std::collections::BTreeMap;

use serde_json::Value;

use crate::expression::show;

/// What a workflow file says, as far as this GitHub cares.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    pub name: Option<String>,
    pub run_name: Option<String>,
    /// None: it has no `workflow_dispatch` trigger.
    pub inputs: Option<BTreeMap<String, Input>>,
    pub concurrency: Option<Concurrency>,
    pub jobs: Vec<JobSpec>,
}

/// A declared input of `workflow_dispatch`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    pub kind: String,
    pub required: bool,
    pub default: Option<String>,
    pub options: Vec<String>,
}

/// `concurrency:` of a workflow or a job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Concurrency {
    /// May hold expressions.
    pub group: String,
    pub cancel_in_progress: bool,
    /// `queue: max`: those waiting are kept, not replaced by the latest.
    pub keeps_all: bool,
}

/// A job as written, expressions not yet filled.
#[derive(Debug, Clone, Default)]
pub struct JobSpec {
    pub key: String,
    pub name: Option<String>,
    pub needs: Vec<String>,
    pub condition: Option<String>,
    pub environment: Option<String>,
    pub concurrency: Option<Concurrency>,
    pub steps: Vec<String>,
    /// `runs-on`.
    pub labels: Vec<String>,
    /// A called workflow, and what it is given.
    pub uses: Option<String>,
    pub with: BTreeMap<String, String>,
}

impl Spec {
    /// Reads a workflow file; the error is GitHub's sentence about an invalid one.
    pub fn parse(yaml: &str) -> Result<Spec, String> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let file: Value =
            serde_saphyr::from_str_with_options(yaml, options).map_err(|e| format!("failed to parse workflow: {e}"))?;
        let jobs = file["jobs"].as_object().ok_or("failed to parse workflow: No jobs defined")?;
        let inputs = dispatch_inputs(&file["on"]);
        if inputs.as_ref().is_some_and(|i| i.len() > crate::dispatch::MOST_INPUTS) {
            return Err("you may only define up to 25 `inputs` for a `workflow_dispatch` event".to_owned());
        }
        Ok(Spec {
            name: text(&file["name"]),
            run_name: text(&file["run-name"]),
            inputs,
            concurrency: concurrency(&file["concurrency"]),
            jobs: jobs.iter().map(|(key, job)| JobSpec::read(key, job)).collect(),
        })
    }
}

impl JobSpec {
    /// Whether this job is meant by a need; a job of a called workflow answers for its caller.
    pub fn answers(&self, need: &str) -> bool {
        self.key.strip_prefix(need).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn read(key: &str, job: &Value) -> JobSpec {
        let environment = &job["environment"];
        let steps = job["steps"].as_array().into_iter().flatten();
        JobSpec {
            key: key.to_owned(),
            name: text(&job["name"]),
            needs: texts(&job["needs"]),
            condition: text(&job["if"]),
            environment: text(environment).or_else(|| text(&environment["name"])),
            concurrency: concurrency(&job["concurrency"]),
            steps: steps.map(step_name).collect(),
            labels: texts(&job["runs-on"]),
            uses: text(&job["uses"]),
            with: strings(&job["with"]),
        }
    }
}

/// `on:` may be a word, a list of words, or a map.
fn dispatch_inputs(on: &Value) -> Option<BTreeMap<String, Input>> {
    let event = "workflow_dispatch";
    match on {
        Value::String(word) => (word == event).then(BTreeMap::new),
        Value::Array(words) => words.iter().any(|w| w == event).then(BTreeMap::new),
        Value::Object(events) => events.get(event).map(|e| inputs(&e["inputs"])),
        _ => None,
    }
}

fn inputs(declared: &Value) -> BTreeMap<String, Input> {
    let declared = declared.as_object().into_iter().flatten();
    declared.map(|(name, input)| (name.clone(), Input::read(input))).collect()
}

impl Input {
    fn read(input: &Value) -> Input {
        Input {
            kind: text(&input["type"]).unwrap_or_else(|| "string".to_owned()),
            required: input["required"] == true,
            default: text(&input["default"]),
            options: texts(&input["options"]),
        }
    }
}

fn concurrency(value: &Value) -> Option<Concurrency> {
    let group = text(value).or_else(|| text(&value["group"]))?;
    Some(Concurrency {
        group,
        cancel_in_progress: value["cancel-in-progress"] == true,
        keeps_all: value["queue"] == "max",
    })
}

/// A step without a name shows its command's first line or its action.
fn step_name(step: &Value) -> String {
    let command = text(&step["run"]).or_else(|| text(&step["uses"])).unwrap_or_default();
    let first_line = command.lines().next().unwrap_or_default();
    text(&step["name"]).unwrap_or_else(|| format!("Run {first_line}"))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        scalar => Some(show(scalar)),
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(show).collect(),
        other => text(other).into_iter().collect(),
    }
}

fn strings(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), show(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_yaml_says_what_a_run_will_do() {
        let spec = Spec::parse(
            "name: Apply\n\
             run-name: Apply ${{ inputs.component }}\n\
             on:\n  workflow_dispatch:\n    inputs:\n      component: {required: true}\n      dry: {type: boolean, default: false}\n\
             concurrency: {group: g, queue: max}\n\
             jobs:\n  plan: {runs-on: ubuntu-latest, steps: [{run: make plan}]}\n  \
             apply: {needs: plan, environment: {name: production}, steps: [{name: Apply}, {uses: a/b@v1}]}\n",
        )
        .unwrap();
        let inputs = spec.inputs.unwrap();
        assert!(inputs["component"].required);
        assert_eq!(inputs["dry"].default.as_deref(), Some("false"));
        assert!(spec.concurrency.unwrap().keeps_all);
        let apply = spec.jobs.iter().find(|j| j.key == "apply").unwrap();
        assert_eq!(apply.environment.as_deref(), Some("production"));
        assert_eq!(apply.steps, ["Apply", "Run a/b@v1"]);
        assert_eq!(apply.needs, ["plan"]);
    }

    #[test]
    fn a_workflow_without_the_trigger_declares_nothing() {
        let without = Spec::parse("on: push\njobs: {a: {}}").unwrap();
        assert!(without.inputs.is_none());
        let bare = Spec::parse("on: [push, workflow_dispatch]\njobs: {a: {}}").unwrap();
        assert_eq!(bare.inputs, Some(BTreeMap::new()));
    }
}
