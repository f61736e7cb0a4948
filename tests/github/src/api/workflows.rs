//! Workflows, and dispatching them.

use serde_json::{Value, json};

use crate::clock::stamp;
use crate::routes::Call;
use crate::wire::Answer;
use crate::workflow::Spec;
use crate::world::{Workflow, World};

pub(crate) fn list(world: &mut World, call: &Call<'_>) -> Answer {
    let all = world.workflows.iter().collect();
    call.counted(world, "workflows", all, |w| world.workflow_json(w))
}

pub(crate) fn get(world: &mut World, call: &Call<'_>) -> Answer {
    match world.find_workflow(call.value(0)) {
        Some(workflow) => Answer::json(200, &world.workflow_json(workflow)),
        None => Answer::error(404, "Not Found", "/actions/workflows#get-a-workflow"),
    }
}

pub(crate) fn dispatch(world: &mut World, call: &Call<'_>) -> Answer {
    let Some(workflow) = world.find_workflow(call.value(0)).cloned() else {
        return Answer::error(404, "Not Found", "/actions/workflows#create-a-workflow-dispatch-event");
    };
    world.answer_dispatch(&workflow, &call.request.json(), call.hidden)
}

impl World {
    fn workflow_json(&self, workflow: &Workflow) -> Value {
        let Workflow { id, path, state, created } = workflow;
        let branch = &self.repository.default_branch;
        let text = self.branches.get(branch).and_then(|b| b.files.get(path));
        let name = text.and_then(|t| Spec::parse(t).ok()?.name).unwrap_or_else(|| path.clone());
        let file = path.rsplit('/').next().unwrap_or_default();
        json!({
            "id": id, "node_id": format!("W_{id}"), "name": name, "path": path, "state": state,
            "created_at": stamp(*created), "updated_at": stamp(*created),
            "url": format!("{}/actions/workflows/{id}", self.repo_api()),
            "html_url": format!("{}/blob/{branch}/{path}", self.repo_html()),
            "badge_url": format!("{}/actions/workflows/{file}/badge.svg", self.repo_html()),
        })
    }
}
