//! What GitHub accepts as a dispatch, and what comes of it.

mod stage;

use serde_json::{Value, json};
use simulated_github::{Server, World};
use stage::{APPLY, DISPATCH, dispatch, get, send, settle, state, world};

fn refusal(world: &mut World, body: &Value) -> String {
    let answer = send(world, "POST", DISPATCH, body);
    assert_eq!(answer.status, 422, "{}", answer.body);
    answer.value()["message"].as_str().unwrap_or_default().to_owned()
}

fn inputs(more: &Value) -> Value {
    let mut inputs = json!({"component": "vpc", "github_environment": "staging"});
    for (name, value) in more.as_object().into_iter().flatten() {
        inputs[name] = value.clone();
    }
    json!({"ref": "main", "inputs": inputs})
}

#[test]
fn a_bad_dispatch_is_refused_in_github_s_words_and_makes_no_run() {
    let mut world = world();
    world.off_the_record();
    let mut said = |body: &Value| refusal(&mut world, body);
    assert_eq!(said(&json!({})), "Invalid request.\n\n\"ref\" wasn't supplied.");
    assert_eq!(said(&json!({"ref": "nope"})), "No ref found for: nope");
    assert_eq!(said(&json!({"ref": "main"})), "Required input 'component' not provided");
    assert_eq!(said(&inputs(&json!({"x": "1"}))), "Unexpected inputs provided: [\"x\"]");
    let choice = "Provided value 'destroy' for input 'mode' not in the list of allowed values";
    assert_eq!(said(&inputs(&json!({"mode": "destroy"}))), choice);
    let boolean = "Provided value '' for input 'dry' not in the list of allowed values";
    assert_eq!(said(&inputs(&json!({"dry": ""}))), boolean);
    assert_eq!(said(&inputs(&json!({"component": "x".repeat(65_536)}))), "inputs are too large.");
    assert!(world.runs.is_empty() && world.dispatches().is_empty());
}

#[test]
fn a_workflow_must_exist_be_active_and_have_the_trigger() {
    let mut world = world();
    let path = DISPATCH.replace("apply.yml", "other.yml");
    assert_eq!(send(&mut world, "POST", &path, &inputs(&json!({}))).status, 404);
    world.workflows[0].state = "disabled_manually".to_owned();
    let disabled = "Cannot trigger a 'workflow_dispatch' on a disabled workflow";
    assert_eq!(refusal(&mut world, &inputs(&json!({}))), disabled);
    world.workflows[0].state = "active".to_owned();
    world.workflow("apply.yml", "on: push\njobs: {a: {}}");
    let trigger = "Workflow does not have 'workflow_dispatch' trigger";
    assert_eq!(refusal(&mut world, &inputs(&json!({}))), trigger);
}

#[test]
fn a_dispatch_answers_with_the_run_where_the_server_knows_how() {
    let mut world = world();
    let mut body = inputs(&json!({}));
    assert_eq!(send(&mut world, "POST", DISPATCH, &body).status, 204);
    body["return_run_details"] = true.into();
    let answer = send(&mut world, "POST", DISPATCH, &body);
    assert_eq!((answer.status, &answer.value()["workflow_run_id"]), (200, &json!(world.dispatches()[1].run)));
    world.server = Server::Ignores;
    assert_eq!(send(&mut world, "POST", DISPATCH, &body).status, 204);
    world.server = Server::Refuses;
    let refused = "Invalid request.\n\n\"return_run_details\" is not a permitted key.";
    assert_eq!(refusal(&mut world, &body), refused);
    assert_eq!(world.dispatches().len(), 3);
}

#[test]
fn a_run_has_the_title_and_the_inputs_of_its_dispatch() {
    let mut world = world();
    let id = dispatch(&mut world, "vpc", "staging");
    let run = get(&mut world, &format!("/repos/acme/infra/actions/runs/{id}")).value();
    assert_eq!(run["display_title"], "Apply vpc to staging");
    assert_eq!(run["name"], "Apply");
    assert_eq!(run["event"], "workflow_dispatch");
    assert_eq!(run["actor"]["login"], "github-actions[bot]");
    assert_eq!(&stage::run(&world, id).inputs["mode"], "apply");
    assert_eq!(&world.dispatches()[0].inputs["mode"], "");
}

#[test]
fn an_unknown_environment_is_made_without_any_protection() {
    let mut world = world();
    let id = dispatch(&mut world, "vpc", "prodution");
    settle(&mut world);
    assert_eq!(state(&world, id), "completed/success");
    assert_eq!(world.environments_made_on_use(), ["prodution"]);
}

#[test]
fn a_called_workflow_s_jobs_and_gates_are_the_run_s() {
    let mut world = world();
    world.workflow(
        "_apply.yml",
        "on: {workflow_call: {inputs: {env: {type: string}}}}\njobs: {go: {environment: \"${{ inputs.env }}\"}}",
    );
    let jobs = "jobs:\n  call: {uses: ./.github/workflows/_apply.yml, with: {env: \"${{ inputs.github_environment }}\"}}\n  after: {needs: call}\n";
    let head = APPLY.split("jobs:").next().unwrap_or_default();
    world.workflow("apply.yml", &format!("{head}{jobs}"));
    let id = dispatch(&mut world, "vpc", "production");
    settle(&mut world);
    assert_eq!(stage::run(&world, id).waiting_for(), ["production"]);
    world.approve(id, "production", "octocat", "").unwrap();
    settle(&mut world);
    let names: Vec<&str> = stage::run(&world, id).jobs.iter().map(|j| j.name.as_str()).collect();
    assert_eq!(
        (state(&world, id).as_str(), names.as_slice()),
        ("completed/success", ["after", "call / go"].as_slice())
    );
}
