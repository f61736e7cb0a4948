//! `workflow_dispatch`: what GitHub refuses, and the run that comes of it otherwise.
//! <https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::clock::{Millis, millis};
use crate::expression::{fill, show};
use crate::people::User;
use crate::run::{Inputs, Run, Stage};
use crate::wire::Answer;
use crate::workflow::{Concurrency, Input, JobSpec, Spec};
use crate::world::{Server, Workflow, World};

/// A workflow may declare so many inputs.
pub const MOST_INPUTS: usize = 25;
/// All inputs together may be so long.
pub const LONGEST_INPUTS: usize = 65_535;

/// A dispatch that was accepted.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// The workflow's file name, such as `apply.yml`.
    pub workflow: String,
    /// As asked for.
    pub reference: String,
    /// As sent, without defaults.
    pub inputs: Inputs,
    /// The run it made.
    pub run: u64,
    /// The request's number, see [`World::request_count`].
    pub request: u64,
    pub at: Millis,
}

/// Something that makes a workflow run.
pub struct Trigger<'a> {
    pub event: &'a str,
    pub branch: &'a str,
    pub sha: String,
    pub actor: User,
    pub inputs: Inputs,
}

fn refused(message: &str) -> Answer {
    Answer::error(422, message, "/actions/workflows#create-a-workflow-dispatch-event")
}

impl World {
    /// Answers a dispatch; `hidden` delays when the new run can be seen.
    pub(crate) fn answer_dispatch(&mut self, workflow: &Workflow, body: &Value, hidden: Millis) -> Answer {
        let (spec, reference, sha) = match self.check_dispatch(workflow, body) {
            Ok(checked) => checked,
            Err(refusal) => return refusal,
        };
        let given = given(body);
        let declared = spec.inputs.clone().unwrap_or_default();
        let inputs = match check_inputs(&declared, &given) {
            Ok(inputs) => Inputs(inputs),
            Err(message) => return refused(&message),
        };
        let actor = self.identity.clone();
        let branch = reference.trim_start_matches("refs/heads/");
        let trigger = Trigger { event: "workflow_dispatch", branch, sha, actor, inputs };
        let run = self.create_run(workflow, &spec, trigger);
        let visible = self.now() + hidden.max(self.hidden);
        self.runs.get_mut(&run).expect("just made").visible_from = visible;
        let file = workflow.path.rsplit('/').next().unwrap_or_default().to_owned();
        let (at, request) = (self.now(), self.requests);
        self.dispatches.push(Dispatch { workflow: file, reference, inputs: Inputs(given), run, request, at });
        self.dispatch_reply(run, body)
    }

    fn dispatch_reply(&self, run: u64, body: &Value) -> Answer {
        if body["return_run_details"] != true || self.server != Server::Modern {
            return Answer::empty(204);
        }
        Answer::json(
            200,
            &json!({
                "workflow_run_id": run,
                "run_url": format!("{}/actions/runs/{run}", self.repo_api()),
                "html_url": format!("{}/actions/runs/{run}", self.repo_html()),
            }),
        )
    }

    fn check_dispatch(&self, workflow: &Workflow, body: &Value) -> Result<(Spec, String, String), Answer> {
        let unknown = |key: &&String| !["ref", "inputs", "return_run_details"].contains(&key.as_str());
        let keys = body.as_object().map(Map::keys).into_iter().flatten();
        let refuses = self.server == Server::Refuses && body.get("return_run_details").is_some();
        let stranger = keys.into_iter().find(unknown).map(String::as_str);
        if let Some(key) = stranger.or(refuses.then_some("return_run_details")) {
            return Err(refused(&format!("Invalid request.\n\n\"{key}\" is not a permitted key.")));
        }
        let Some(reference) = body["ref"].as_str() else {
            return Err(refused("Invalid request.\n\n\"ref\" wasn't supplied."));
        };
        let bare = reference.trim_start_matches("refs/heads/");
        let Some(branch) = self.branches.get(bare) else {
            return Err(refused(&format!("No ref found for: {reference}")));
        };
        if workflow.state != "active" {
            return Err(refused("Cannot trigger a 'workflow_dispatch' on a disabled workflow"));
        }
        let no_trigger = || refused("Workflow does not have 'workflow_dispatch' trigger");
        let text = branch.files.get(&workflow.path).ok_or_else(no_trigger)?;
        let spec = Spec::parse(text).map_err(|message| refused(&message))?;
        if spec.inputs.is_none() {
            return Err(no_trigger());
        }
        Ok((spec, reference.to_owned(), branch.sha.clone()))
    }

    /// Makes a run of a workflow, for any event; returns its id.
    pub fn create_run(&mut self, workflow: &Workflow, spec: &Spec, trigger: Trigger<'_>) -> u64 {
        let (id, at) = (self.next_run_id(), self.now());
        let number = 1 + self.runs.values().filter(|r| r.workflow_id == workflow.id).count() as u64;
        let context = self.run_context(id, number, spec, &trigger);
        let name = spec.name.clone().unwrap_or_else(|| workflow.path.clone());
        let title = spec.run_name.as_deref().map(|text| fill(text, &context));
        let concurrency = spec.concurrency.clone();
        let run = Run {
            id,
            number,
            attempt: 1,
            workflow_id: workflow.id,
            path: workflow.path.clone(),
            title: title.filter(|t| !t.is_empty()).unwrap_or_else(|| name.clone()),
            name,
            event: trigger.event.to_owned(),
            branch: trigger.branch.to_owned(),
            sha: trigger.sha,
            triggering_actor: trigger.actor.clone(),
            actor: trigger.actor,
            inputs: trigger.inputs,
            created: at,
            started: at,
            updated: at,
            visible_from: at,
            jobs: Vec::new(),
            reviews: Vec::new(),
            past: Vec::new(),
            stage: Stage::Queued,
            concurrency: concurrency.map(|c| Concurrency { group: fill(&c.group, &context), ..c }),
            verdict: None,
            context,
        };
        self.runs.insert(id, run);
        self.enqueue(id, at);
        id
    }

    fn run_context(&self, id: u64, number: u64, spec: &Spec, trigger: &Trigger<'_>) -> Value {
        let declared = spec.inputs.as_ref();
        let typed = |(name, value): (&String, &String)| {
            let kind = declared.and_then(|d| d.get(name)).map(|d| d.kind.as_str());
            let raw = serde_json::from_str(value).unwrap_or(Value::Null);
            (name.clone(), if matches!(kind, Some("boolean" | "number")) { raw } else { json!(value) })
        };
        let inputs: Map<String, Value> = trigger.inputs.0.iter().map(typed).collect();
        json!({
            "inputs": inputs,
            "github": {
                "event": {"inputs": trigger.inputs.0}, "event_name": trigger.event,
                "actor": trigger.actor.login, "triggering_actor": trigger.actor.login,
                "ref": format!("refs/heads/{}", trigger.branch), "ref_name": trigger.branch,
                "sha": trigger.sha, "run_id": id, "run_number": number, "run_attempt": 1,
                "repository": self.full_name(), "workflow": spec.name,
            },
        })
    }

    /// The jobs of a run as its workflow at its commit has them; workflows called from this repository
    /// are opened up.
    pub(crate) fn job_specs(&self, run: &Run) -> Vec<JobSpec> {
        let files = self.branches.get(&run.branch).map(|branch| &branch.files);
        let spec = |path: &str| Spec::parse(files?.get(path)?).ok();
        let Some(top) = spec(&run.path) else {
            return Vec::new();
        };
        let mut jobs = Vec::new();
        for job in top.jobs {
            let called = job.uses.as_deref().and_then(|uses| spec(uses.trim_start_matches("./")));
            match called {
                Some(called) => jobs.extend(open_up(&job, called, &run.context)),
                None => jobs.push(job),
            }
        }
        jobs
    }

    /// Makes a run of a workflow by any event, as somebody's push or click would.
    pub fn trigger(&mut self, file: &str, event: &str, actor: &str, inputs: &[(&str, &str)]) -> u64 {
        self.advance();
        let workflow = self.find_workflow(file).cloned().expect("a workflow of this repository");
        let branch = self.repository.default_branch.clone();
        let head = self.branches[&branch].clone();
        let spec = Spec::parse(&head.files[&workflow.path]).expect("a valid workflow");
        let inputs = inputs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let actor = self.user(actor);
        let trigger = Trigger { event, branch: &branch, sha: head.sha, actor, inputs: Inputs(inputs) };
        self.create_run(&workflow, &spec, trigger)
    }

    /// By id, file name or path.
    pub fn find_workflow(&self, name: &str) -> Option<&Workflow> {
        let is_it = |w: &&Workflow| {
            w.id.to_string() == name || w.path == name || w.path.strip_prefix(".github/workflows/") == Some(name)
        };
        self.workflows.iter().find(is_it)
    }

    /// How long after its making a run made now stays out of sight.
    pub fn hide_new_runs_for(&mut self, time: std::time::Duration) {
        self.hidden = millis(time);
    }
}

/// The jobs of a called workflow, each named after the job that calls it.
fn open_up(caller: &JobSpec, called: Spec, context: &Value) -> Vec<JobSpec> {
    let mut inner = context.clone();
    let with = caller.with.iter().map(|(k, v)| (k.clone(), json!(fill(v, context))));
    inner["inputs"] = with.collect::<Map<_, _>>().into();
    let outer_name = caller.name.as_ref().unwrap_or(&caller.key);
    let jobs = called.jobs.into_iter().map(|job| JobSpec {
        name: Some(format!("{outer_name} / {}", job.name.as_ref().unwrap_or(&job.key))),
        environment: job.environment.map(|e| fill(&e, &inner)),
        concurrency: job.concurrency.map(|c| Concurrency { group: fill(&c.group, &inner), ..c }),
        condition: job.condition.or_else(|| caller.condition.clone()),
        needs: match job.needs.as_slice() {
            [] => caller.needs.clone(),
            inner => inner.iter().map(|need| format!("{}/{need}", caller.key)).collect(),
        },
        key: format!("{}/{}", caller.key, job.key),
        ..job
    });
    jobs.collect()
}

fn given(body: &Value) -> BTreeMap<String, String> {
    let inputs = body["inputs"].as_object().into_iter().flatten();
    inputs.map(|(name, value)| (name.clone(), show(value))).collect()
}

/// The inputs a run gets, or what GitHub says is wrong with those it was given.
fn check_inputs(
    declared: &BTreeMap<String, Input>,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    let unexpected: Vec<&String> = given.keys().filter(|name| !declared.contains_key(*name)).collect();
    if !unexpected.is_empty() {
        return Err(format!("Unexpected inputs provided: {}", json!(unexpected)));
    }
    if json!(given).to_string().chars().count() > LONGEST_INPUTS {
        return Err("inputs are too large.".to_owned());
    }
    let mut inputs = BTreeMap::new();
    for (name, input) in declared {
        let value = given.get(name).or(input.default.as_ref());
        if input.required && value.is_none_or(String::is_empty) {
            return Err(format!("Required input '{name}' not provided"));
        }
        let value = value.cloned().unwrap_or_else(|| if input.kind == "boolean" { "false" } else { "" }.to_owned());
        let allowed = match input.kind.as_str() {
            "choice" if given.contains_key(name) => input.options.contains(&value),
            "boolean" => value == "true" || value == "false",
            "number" => value.is_empty() || value.parse::<f64>().is_ok(),
            _ => true,
        };
        if !allowed {
            return Err(format!("Provided value '{value}' for input '{name}' not in the list of allowed values"));
        }
        inputs.insert(name.clone(), value);
    }
    Ok(inputs)
}
