//! Workflow runs, their jobs, gates and reviews.

use std::cmp::Reverse;

use serde_json::{Value, json};

use crate::clock::{Millis, parse, stamp};
use crate::routes::Call;
use crate::run::{Gate, Job, Phase, Run};
use crate::wire::{Answer, digest};
use crate::world::World;

/// With any filter, GitHub lists no more than so many runs.
const MOST_FILTERED: usize = 1_000;
const FILTERS: [&str; 6] = ["actor", "branch", "event", "status", "created", "head_sha"];

pub(crate) fn list(world: &mut World, call: &Call<'_>) -> Answer {
    listed(world, call, |_| true)
}

pub(crate) fn of_workflow(world: &mut World, call: &Call<'_>) -> Answer {
    match world.find_workflow(call.value(0)).map(|w| w.id) {
        Some(id) => listed(world, call, |run| run.workflow_id == id),
        None => Answer::error(404, "Not Found", "/actions/workflow-runs#list-workflow-runs-for-a-workflow"),
    }
}

fn listed(world: &World, call: &Call<'_>, of: impl Fn(&Run) -> bool) -> Answer {
    let now = world.now();
    let shown = |run: &&Run| run.visible_from <= now && of(run) && FILTERS.iter().all(|f| passes(run, call, f));
    let mut runs: Vec<&Run> = world.runs.values().filter(shown).collect();
    runs.sort_by_key(|run| Reverse((run.created.div_euclid(1000), run.id)));
    if FILTERS.iter().any(|f| call.request.param(f).is_some()) {
        runs.truncate(MOST_FILTERED);
    }
    let repository = world.minimal_repository();
    call.counted(world, "workflow_runs", runs, |run| world.run_json(run, &repository))
}

fn passes(run: &Run, call: &Call<'_>, filter: &str) -> bool {
    let Some(wanted) = call.request.param(filter) else {
        return true;
    };
    match filter {
        "actor" => run.actor.login == wanted,
        "branch" => run.branch == wanted,
        "event" => run.event == wanted,
        "status" => run.status() == wanted || run.conclusion() == Some(wanted),
        "created" => within(run.created, wanted),
        _ => run.sha == wanted,
    }
}

/// GitHub's search syntax for dates, compared by the second.
/// <https://docs.github.com/en/search-github/getting-started-with-searching-on-github/understanding-the-search-syntax#query-for-dates>
fn within(at: Millis, wanted: &str) -> bool {
    let at = at.div_euclid(1000);
    let second = |text: &str| parse(text).map(|t| t.div_euclid(1000));
    if let Some((from, to)) = wanted.split_once("..") {
        let day = if to.contains('T') { 0 } else { 86_399 };
        return second(from).is_none_or(|from| at >= from) && second(to).is_none_or(|to| at <= to + day);
    }
    let bare = wanted.trim_start_matches(['<', '>', '=']);
    let Some(limit) = second(bare) else {
        return true;
    };
    match &wanted[..wanted.len() - bare.len()] {
        ">=" => at >= limit,
        ">" => at > limit,
        "<=" => at <= limit,
        "<" => at < limit,
        _ if bare.contains('T') => at == limit,
        _ => (limit..limit + 86_400).contains(&at),
    }
}

/// The run of a call, if it can be seen.
fn seen<'w>(world: &'w World, call: &Call<'_>) -> Result<&'w Run, Answer> {
    let now = world.now();
    let run = world.runs.get(&call.number(0)).filter(|run| run.visible_from <= now);
    run.ok_or_else(|| Answer::error(404, "Not Found", "/actions/workflow-runs#get-a-workflow-run"))
}

fn answered(world: &World, call: &Call<'_>, show: impl Fn(&Run) -> Answer) -> Answer {
    seen(world, call).map_or_else(|refusal| refusal, show)
}

/// The attempt of a call.
fn of_attempt(world: &World, call: &Call<'_>, show: impl Fn(&Run) -> Answer) -> Answer {
    let number = call.number(1);
    answered(world, call, |run| {
        let mut attempts = run.past.iter().chain([run]);
        attempts.find(|a| u64::from(a.attempt) == number).map_or_else(Answer::not_found, &show)
    })
}

pub(crate) fn get(world: &mut World, call: &Call<'_>) -> Answer {
    answered(world, call, |run| Answer::json(200, &world.run_json(run, &world.minimal_repository())))
}

pub(crate) fn attempt(world: &mut World, call: &Call<'_>) -> Answer {
    of_attempt(world, call, |run| Answer::json(200, &world.run_json(run, &world.minimal_repository())))
}

pub(crate) fn jobs(world: &mut World, call: &Call<'_>) -> Answer {
    let all = call.request.param("filter") == Some("all");
    answered(world, call, |run| {
        let past = run.past.iter().filter(|_| all);
        let jobs: Vec<_> = [run].into_iter().chain(past).flat_map(listed_jobs).collect();
        call.counted(world, "jobs", jobs, |(run, job)| world.job_json(run, job))
    })
}

pub(crate) fn attempt_jobs(world: &mut World, call: &Call<'_>) -> Answer {
    of_attempt(world, call, |run| call.counted(world, "jobs", listed_jobs(run), |(run, job)| world.job_json(run, job)))
}

pub(crate) fn approvals(world: &mut World, call: &Call<'_>) -> Answer {
    answered(world, call, |run| {
        let review = |review: &crate::run::Review| {
            let known = review.environments.iter().filter_map(|name| world.find_environment(name));
            let environments: Vec<Value> = known
                .map(|e| {
                    let mut head = world.environment_head(e);
                    head["created_at"] = json!(stamp(e.created));
                    head["updated_at"] = json!(stamp(e.created));
                    head
                })
                .collect();
            let user = world.user_json(&review.user);
            json!({"environments": environments, "state": review.state.word(), "user": user, "comment": review.comment})
        };
        Answer::json(200, &Value::Array(run.reviews.iter().map(review).collect()))
    })
}

/// One entry an environment, however many jobs wait for it.
pub(crate) fn pending(world: &mut World, call: &Call<'_>) -> Answer {
    answered(world, call, |run| {
        let waiting = run.waiting_for();
        let gate = |name: &&str| {
            let mut gates = run.jobs.iter().filter(|j| j.phase == Phase::Waiting).filter_map(|j| j.gate.as_ref());
            gates.find(|g| g.environment == **name)
        };
        let entries = waiting.iter().filter_map(|name| world.pending_json(name, gate(name)?));
        Answer::json(200, &Value::Array(entries.collect()))
    })
}

pub(crate) fn cancel(world: &mut World, call: &Call<'_>) -> Answer {
    let (id, now) = (call.number(0), world.now());
    match seen(world, call).map(|run| run.conclusion().is_some()) {
        Err(refusal) => refusal,
        Ok(true) => {
            let documentation = "/actions/workflow-runs#cancel-a-workflow-run";
            Answer::error(409, "Cannot cancel a workflow run that is completed", documentation)
        }
        Ok(false) => {
            world.ask_to_cancel(id, now);
            Answer::json(202, &json!({}))
        }
    }
}

pub(crate) fn force_cancel(world: &mut World, call: &Call<'_>) -> Answer {
    let answer = cancel(world, call);
    if answer.status == 202 {
        world.conclude(call.number(0), "cancelled");
    }
    answer
}

pub(crate) fn delete(world: &mut World, call: &Call<'_>) -> Answer {
    match seen(world, call).map(|run| run.conclusion().is_some()) {
        Err(refusal) => refusal,
        Ok(false) => {
            let documentation = "/actions/workflow-runs#delete-a-workflow-run";
            Answer::error(403, "Workflow run must be completed before it can be deleted", documentation)
        }
        Ok(true) => {
            world.delete_run(call.number(0));
            Answer::empty(204)
        }
    }
}

impl World {
    /// `workflow-run`.
    fn run_json(&self, run: &Run, repository: &Value) -> Value {
        let (id, attempt) = (run.id, run.attempt);
        let url = format!("{}/actions/runs/{id}", self.repo_api());
        let suite = id + 11_000_000_000;
        let commit = json!({"name": "GitHub", "email": "noreply@github.com"});
        let mut body = json!({
            "id": id, "name": run.name, "node_id": format!("WFR_{id}"), "head_branch": run.branch,
            "head_sha": run.sha, "path": run.path, "display_title": run.title, "run_number": run.number,
            "event": run.event, "status": run.status(), "conclusion": run.conclusion(),
            "workflow_id": run.workflow_id, "check_suite_id": suite, "check_suite_node_id": format!("CS_{suite}"),
            "url": url, "html_url": format!("{}/actions/runs/{id}", self.repo_html()), "pull_requests": [],
            "created_at": stamp(run.created), "updated_at": stamp(run.updated),
            "run_started_at": stamp(run.started), "run_attempt": attempt, "referenced_workflows": [],
            "actor": self.user_json(&run.actor), "triggering_actor": self.user_json(&run.triggering_actor),
            "jobs_url": format!("{url}/jobs"), "logs_url": format!("{url}/logs"),
            "check_suite_url": format!("{}/check-suites/{suite}", self.repo_api()),
            "artifacts_url": format!("{url}/artifacts"), "cancel_url": format!("{url}/cancel"),
            "rerun_url": format!("{url}/rerun"), "previous_attempt_url": null,
            "workflow_url": format!("{}/actions/workflows/{}", self.repo_api(), run.workflow_id),
            "head_commit": {
                "id": run.sha, "tree_id": digest(&format!("tree of {}", run.sha)), "message": self.message(&run.sha),
                "timestamp": stamp(run.created), "author": commit, "committer": commit,
            },
            "repository": repository, "head_repository": repository,
        });
        if attempt > 1 {
            body["previous_attempt_url"] = format!("{url}/attempts/{}", attempt - 1).into();
        }
        body
    }

    /// `job`. A job that never reached a runner has no steps and runner 0.
    fn job_json(&self, run: &Run, job: &Job) -> Value {
        let html = format!("{}/actions/runs/{}/job/{}", self.repo_html(), run.id, job.id);
        let ran = job.started.is_some();
        let runner = if ran { 1_000_000_000 + job.id % 1_000_000 } else { 0 };
        let name = if ran { format!("GitHub Actions {runner}") } else { String::new() };
        let group = if ran { "GitHub Actions" } else { "" };
        json!({
            "id": job.id, "run_id": run.id, "workflow_name": run.name, "head_branch": run.branch,
            "run_url": format!("{}/actions/runs/{}", self.repo_api(), run.id), "run_attempt": run.attempt,
            "node_id": format!("CR_{}", job.id), "head_sha": run.sha,
            "url": format!("{}/actions/jobs/{}", self.repo_api(), job.id), "html_url": html,
            "status": job.status(), "conclusion": job.conclusion, "created_at": stamp(job.created),
            "started_at": stamp(job.started.or(job.completed).unwrap_or(job.created)),
            "completed_at": job.completed.map(stamp), "name": job.name, "steps": steps(job),
            "check_run_url": format!("{}/check-runs/{}", self.repo_api(), job.id), "labels": job.spec.labels,
            "runner_id": runner, "runner_name": name,
            "runner_group_id": 0, "runner_group_name": group,
        })
    }

    fn pending_json(&self, name: &str, gate: &Gate) -> Option<Value> {
        let environment = self.find_environment(name)?;
        let timed = environment.wait_timer > 0;
        Some(json!({
            "environment": self.environment_head(environment), "wait_timer": environment.wait_timer,
            "wait_timer_started_at": timed.then(|| stamp(gate.opened)), "current_user_can_approve": false,
            "reviewers": self.reviewers_json(environment),
        }))
    }
}

/// The jobs of an attempt that GitHub lists.
fn listed_jobs(run: &Run) -> Vec<(&Run, &Job)> {
    run.jobs.iter().filter(|job| job.status().is_some()).map(|job| (run, job)).collect()
}

/// The steps of a job, between GitHub's own first and last.
fn steps(job: &Job) -> Value {
    let Some(started) = job.started else {
        return json!([]);
    };
    let mut names = vec!["Set up job".to_owned()];
    names.extend(job.spec.steps.iter().cloned());
    if let Some(step) = job.failed_step.as_ref().filter(|step| !names.contains(step)) {
        names.push(step.clone());
    }
    names.push("Complete job".to_owned());
    let broken = job.failed_step.as_ref().and_then(|step| names.iter().position(|name| name == step));
    let last = names.len() - 1;
    let end = job.completed.map(stamp);
    let ended_well = job.conclusion.as_deref() == Some("success");
    let step = |(n, name): (usize, &String)| {
        let (status, conclusion) = match (&end, broken) {
            (None, _) if n == 0 => ("completed", Some("success")),
            (None, _) => (if n == 1 { "in_progress" } else { "queued" }, None),
            (Some(_), _) if n == 0 || n == last => ("completed", Some("success")),
            (Some(_), Some(at)) if n == at => ("completed", Some("failure")),
            (Some(_), Some(at)) if n > at => ("completed", Some("skipped")),
            (Some(_), None) if !ended_well => ("completed", Some("cancelled")),
            (Some(_), _) => ("completed", Some("success")),
        };
        let begun = (status != "queued").then(|| stamp(started));
        let done = end.clone().filter(|_| status == "completed").or((status == "completed").then(|| stamp(started)));
        json!({
            "name": name, "status": status, "conclusion": conclusion, "number": n + 1,
            "started_at": begun, "completed_at": done,
        })
    };
    Value::Array(names.iter().enumerate().map(step).collect())
}
