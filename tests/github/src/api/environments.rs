//! Environments, as anybody with `actions: read` sees them.

use serde_json::{Value, json};

use crate::clock::stamp;
use crate::environment::{BranchPolicy, Environment};
use crate::people::User;
use crate::routes::Call;
use crate::wire::{Answer, percent_encode};
use crate::world::World;

pub(crate) fn list(world: &mut World, call: &Call<'_>) -> Answer {
    let all = world.environments.iter().collect();
    call.counted(world, "environments", all, |e| world.environment_json(e))
}

pub(crate) fn get(world: &mut World, call: &Call<'_>) -> Answer {
    match world.find_environment(call.value(0)) {
        Some(environment) => Answer::json(200, &world.environment_json(environment)),
        None => Answer::error(404, "Not Found", "/deployments/environments#get-an-environment"),
    }
}

pub(crate) fn branch_policies(world: &mut World, call: &Call<'_>) -> Answer {
    let Some(environment) = world.find_environment(call.value(0)) else {
        return Answer::not_found();
    };
    let BranchPolicy::Named(patterns) = &environment.branch_policy else {
        return call.counted(world, "branch_policies", Vec::new(), |none| none);
    };
    let policy = |(n, name): (usize, &String)| {
        let id = environment.id * 10 + n as u64;
        json!({"id": id, "node_id": format!("DBP_{id}"), "name": name, "type": "branch"})
    };
    call.counted(world, "branch_policies", patterns.iter().enumerate().collect(), policy)
}

pub(crate) fn custom_rules(world: &mut World, call: &Call<'_>) -> Answer {
    let Some(environment) = world.find_environment(call.value(0)) else {
        return Answer::not_found();
    };
    let rule = |slug: &String| {
        let id = User::named(slug).id;
        let app = json!({
            "id": id, "slug": slug, "node_id": format!("GA_{id}"),
            "integration_url": format!("{}/apps/{slug}", world.api_url),
        });
        json!({"id": id, "node_id": format!("GATE_{id}"), "enabled": true, "app": app})
    };
    let rules: Vec<Value> = environment.custom_rules.iter().map(rule).collect();
    Answer::json(200, &json!({"total_count": rules.len(), "custom_deployment_protection_rules": rules}))
}

impl World {
    fn environment_json(&self, environment: &Environment) -> Value {
        let mut body = self.environment_head(environment);
        body["created_at"] = json!(stamp(environment.created));
        body["updated_at"] = json!(stamp(environment.created));
        body["protection_rules"] = Value::Array(self.rules_json(environment));
        body["deployment_branch_policy"] = match environment.branch_policy {
            BranchPolicy::Any => Value::Null,
            BranchPolicy::Protected => {
                json!({"protected_branches": true, "custom_branch_policies": false})
            }
            BranchPolicy::Named(_) => {
                json!({"protected_branches": false, "custom_branch_policies": true})
            }
        };
        body
    }

    /// As an environment appears inside other objects.
    pub(crate) fn environment_head(&self, environment: &Environment) -> Value {
        let slug = percent_encode(&environment.name);
        json!({
            "id": environment.id, "node_id": format!("EN_{}", environment.id), "name": environment.name,
            "url": format!("{}/environments/{slug}", self.repo_api()),
            "html_url": format!("{}/deployments/activity_log?environments_filter={slug}", self.repo_html()),
        })
    }

    /// Custom rules are not among them: they have an endpoint of their own.
    fn rules_json(&self, environment: &Environment) -> Vec<Value> {
        let rule = |n: u64, kind: &str| {
            let id = environment.id * 10 + n;
            json!({"id": id, "node_id": format!("GA_{id}"), "type": kind})
        };
        let mut rules = Vec::new();
        if environment.wait_timer > 0 {
            let mut timer = rule(1, "wait_timer");
            timer["wait_timer"] = environment.wait_timer.into();
            rules.push(timer);
        }
        if !environment.reviewers.is_empty() {
            let mut required = rule(2, "required_reviewers");
            required["prevent_self_review"] = environment.prevent_self_review.into();
            required["reviewers"] = self.reviewers_json(environment);
            rules.push(required);
        }
        if environment.branch_policy != BranchPolicy::Any {
            rules.push(rule(3, "branch_policy"));
        }
        rules
    }

    pub(crate) fn reviewers_json(&self, environment: &Environment) -> Value {
        let reviewers = environment.reviewers.iter();
        reviewers.map(|r| r.json(&self.api_url, &self.server_url, &self.owner)).collect()
    }
}
