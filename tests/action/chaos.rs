//! Hundreds of random worlds through the real binary: graphs, gates, decisions, ends, faults, kills, second
//! copies, and people at the comment. Whatever happens, GitHub's own record must show that every promise held.
//!
//! `WORLDS=500 cargo test chaos` plays more of them; `SEED=17` plays one again.

use std::{
    collections::BTreeMap,
    process::Child,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use simulated_github::{Dispatch, Github, ReviewState, Run, When, World};

use crate::{
    chance::{self, Act, Decision, Deed, Drawn},
    memory::with_memory,
    stage::{Ended, PULL, Stage, component, play_all, quick_world},
};

/// Worlds that are played where `WORLDS` does not say.
pub const WORLDS: u64 = 100;

/// The index of a deployment, by its component's name.
fn index_of(name: &str) -> usize {
    name.trim_start_matches('c').parse().unwrap()
}

/// Rules for all runs to come: by component, and by whether it is the first try.
fn world(drawn: &Drawn) -> World {
    let mut world = quick_world();
    world.workflow("deploy.yml", "on: workflow_dispatch\njobs: {deploy: {runs-on: x, steps: [{run: x}]}}");
    world.when(|run| run.path.ends_with("deploy.yml")).takes(Duration::from_secs(600));
    let firsts: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
    for (index, part) in drawn.parts.iter().enumerate() {
        for later in [false, true] {
            let firsts = Arc::clone(&firsts);
            let wanted = format!("c{index}");
            let rule = world.when(move |run: &Run| {
                let id = run.inputs["atmos_pro_run_id"].to_owned();
                run.inputs["component"] == *wanted
                    && (*firsts.lock().unwrap().entry(wanted.clone()).or_insert_with(|| id.clone()) != id) == later
            });
            match part.decisions[usize::from(later)] {
                Decision::Approve => drop(rule.reviewed(Duration::from_millis(40), ReviewState::Approved, "mona", "")),
                Decision::Reject => drop(rule.reviewed(Duration::from_millis(40), ReviewState::Rejected, "mona", "no")),
                Decision::Never => {}
            }
            match part.ends[usize::from(later)] {
                "success" => {}
                "failure" => drop(rule.fails("terraform apply")),
                word => drop(rule.concludes(word)),
            }
        }
    }
    for (request, fault) in &drawn.faults {
        world.faults.once(When::request(*request), fault.clone());
    }
    world
}

/// The workflow runs that the action's processes belong to, as GitHub knows them.
struct Job {
    run: u64,
    attempt: u64,
}

struct Play {
    seed: u64,
    drawn: Drawn,
    stage: Stage,
    job: Job,
    /// The last act: people leave the comment alone, since nobody would write it again after its end.
    last_act: Arc<AtomicBool>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let drawn = chance::draw(seed);
        let mut stage = Stage::new(world(&drawn), &chance::list(&drawn))
            .input("max-parallel", &drawn.max_parallel.to_string())
            .input("environment-check", "off")
            .input("timeout", "3s")
            .input("on-timeout", "detach");
        let last_act = Arc::<AtomicBool>::default();
        for (request, deed) in drawn.deeds.clone() {
            let (github, over) = (stage.github.clone(), Arc::clone(&last_act));
            stage.github.after_effect(When::request(request), move || {
                if !over.load(Ordering::Relaxed) {
                    done(&github, deed);
                }
            });
        }
        let run = stage.github.world(|world| world.trigger("deploy.yml", "workflow_dispatch", "hubot", &[]));
        stage.set("GITHUB_RUN_ID", &run.to_string());
        Self { seed, drawn, stage, job: Job { run, attempt: 1 }, last_act }
    }

    /// Names the world in what a failed promise says.
    fn place(&self, log: &str) -> String {
        format!("SEED={}: {:#?}\n{log}", self.seed, self.drawn)
    }

    /// Every act, then the last: GitHub is well again, everybody answers, and the job is run again until
    /// nothing is pending.
    fn through(&mut self) {
        for act in self.drawn.acts.clone() {
            match act {
                Act::Job { killed } => drop(self.job(killed)),
                Act::Pass => drop(self.other(false)),
                Act::Both { wait } => self.both(wait),
            }
        }
        self.last_act.store(true, Ordering::Relaxed);
        self.stage.github.world(|world| world.faults.clear());
        self.stage.set_input("timeout", "30s");
        for _ in 0..8 {
            self.answered();
            let ended = self.job(None).expect("nobody kills it");
            // An end that is not about the rollout (the comment was another's at that moment) is not the last.
            let all = ended.output("pending") == "0" && ended.outputs.contains_key("deployments");
            if all && !ended.log.contains("took this rollout over") {
                return self.last(&ended);
            }
        }
        panic!("never finished: {}", self.place(&self.stage.log()));
    }

    /// All gates that are still closed are opened from now on.
    fn answered(&self) {
        self.stage.github.world(|world| {
            world.when(|_| true).reviewed(Duration::from_millis(5), ReviewState::Approved, "mona", "at last");
            let waiting: Vec<u64> =
                world.runs.values().filter(|run| run.waiting_for() == ["prod"]).map(|run| run.id).collect();
            for run in waiting {
                world.approve(run, "prod", "mona", "at last").unwrap();
            }
        });
    }

    /// The job's next attempt; `None`: it was killed.
    fn job(&mut self, killed: Option<(u64, bool)>) -> Option<Ended> {
        let child: Arc<Mutex<Option<Child>>> = Arc::default();
        if let Some((after, answered)) = killed {
            let victim = Arc::clone(&child);
            let kill = move || {
                if let Some(child) = victim.lock().unwrap().as_mut() {
                    drop(child.kill());
                    drop(child.wait());
                }
            };
            let request = self.stage.github.world(|world| world.request_count()) + after;
            if answered {
                self.stage.github.after_answer(When::request(request), kill);
            } else {
                self.stage.github.after_effect(When::request(request), kill);
            }
        }
        *child.lock().unwrap() = Some(self.stage.spawn());
        let ended = self.stage.wait_shared(&child);
        // A kill that is still to come would meet another process.
        *child.lock().unwrap() = None;
        self.kept(&ended);
        self.run_again();
        ended.code.is_some().then_some(ended)
    }

    /// The attempt has ended, and people re-run the job.
    fn run_again(&mut self) {
        let run = self.job.run;
        self.stage.github.world(|world| {
            world.conclude(run, "failure");
            world.rerun(run, "hubot");
        });
        self.job.attempt += 1;
        self.stage.set("GITHUB_RUN_ATTEMPT", &self.job.attempt.to_string());
    }

    /// Another run of the workflow.
    fn other(&mut self, wait: bool) -> Ended {
        let (run, child) = self.spawn_other(wait);
        let ended = self.stage.wait(child);
        self.stage.github.world(|world| world.conclude(run, "success"));
        self.kept(&ended);
        ended
    }

    fn spawn_other(&mut self, wait: bool) -> (u64, Child) {
        let run = self.stage.github.world(|world| world.trigger("deploy.yml", "workflow_dispatch", "hubot", &[]));
        let job = self.stage.environment.clone();
        for (name, value) in [
            ("GITHUB_RUN_ID", run.to_string()),
            ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
            ("GITHUB_EVENT_NAME", "workflow_dispatch".to_owned()),
            ("INPUT_PULL-REQUEST", PULL.to_string()),
            ("INPUT_WAIT", wait.to_string()),
        ] {
            self.stage.set(name, &value);
        }
        let child = self.stage.spawn();
        self.stage.environment = job;
        (run, child)
    }

    fn both(&mut self, wait: bool) {
        let job = self.stage.spawn();
        let (run, other) = self.spawn_other(wait);
        drop(self.stage.wait(job));
        drop(self.stage.wait(other));
        self.stage.github.world(|world| world.conclude(run, "success"));
        self.run_again();
        self.promises();
    }

    /// What must hold after every process, however it ended.
    fn kept(&self, ended: &Ended) {
        self.promises();
        let Some(rows) = ended.outputs.get("deployments").filter(|rows| !rows.is_empty()) else { return };
        // A process that was killed may have been killed in the midst of writing.
        let Ok(Value::Array(rows)) = serde_json::from_str(rows) else {
            return assert!(ended.code.is_none(), "{}", self.place(&ended.log));
        };
        let count = |name: &str| ended.output(name).parse::<usize>().unwrap_or(0);
        let sum: usize =
            ["succeeded", "failed", "rejected", "cancelled", "skipped", "pending"].into_iter().map(count).sum();
        assert!(ended.code.is_none() || sum == rows.len(), "{sum} of {}: {}", rows.len(), self.place(&ended.log));
        self.stage.github.world(|world| {
            for row in rows.iter().filter(|row| row["status"] == "succeeded") {
                let run = row["run-id"].as_u64().and_then(|id| world.runs.get(&id));
                let done = run.is_some_and(|run| run.conclusion() == Some("success"));
                let own = run.is_some_and(|run| run.inputs["component"] == *row["component"].as_str().unwrap());
                assert!(done && own, "claimed: {row}: {}", self.place(&ended.log));
            }
        });
    }

    /// GitHub's record of what was dispatched.
    fn promises(&self) {
        let log = self.stage.log();
        self.stage.github.world(|world| {
            let mut tries = BTreeMap::new();
            for dispatch in world.dispatches() {
                *tries.entry(dispatch.inputs["atmos_pro_run_id"].to_owned()).or_insert(0) += 1;
                self.came_after_its_needs(world, dispatch, &log);
                self.had_a_place(world, dispatch, &log);
            }
            assert!(tries.values().all(|count| *count == 1), "dispatched twice: {tries:?}: {}", self.place(&log));
            assert_eq!(world.violations, Vec::<String>::new(), "{}", self.place(&log));
        });
    }

    fn came_after_its_needs(&self, world: &World, dispatch: &Dispatch, log: &str) {
        let component = index_of(&dispatch.inputs["component"]);
        for need in &self.drawn.parts[component].needs {
            let name = format!("c{need}");
            let succeeded = world.runs.values().any(|run| {
                run.inputs["component"] == *name && run.conclusion() == Some("success") && run.updated <= dispatch.at
            });
            assert!(succeeded, "c{component} was dispatched before {name} had succeeded: {}", self.place(log));
        }
    }

    fn had_a_place(&self, world: &World, dispatch: &Dispatch, log: &str) {
        let active = world.dispatches().iter().filter(|other| {
            let run = &world.runs[&other.run];
            other.at <= dispatch.at
                && other.request <= dispatch.request
                && (run.conclusion().is_none() || run.updated > dispatch.at)
        });
        let (active, most) = (active.count(), self.drawn.max_parallel);
        assert!(most == 0 || active <= most, "{active} were active: {}", self.place(log));
    }

    /// At the very end what is told is what GitHub says, line by line.
    fn last(&self, ended: &Ended) {
        let rows: Vec<Value> = serde_json::from_str(ended.output("deployments")).unwrap();
        assert_eq!(rows.len(), self.drawn.parts.len(), "{}", self.place(&ended.log));
        self.stage.github.world(|world| {
            for row in &rows {
                let id = row["id"].as_str().unwrap();
                let of = world.dispatches().iter().find(|dispatch| dispatch.inputs["atmos_pro_run_id"] == *id);
                let run = of.map(|dispatch| &world.runs[&dispatch.run]);
                let expected: &[&str] = match run.map(|run| run.conclusion().unwrap_or("unfinished")) {
                    Some("success") => &["succeeded"],
                    Some("failure") if run.is_some_and(|run| run.jobs.iter().all(|job| job.started.is_none())) => {
                        &["rejected"]
                    }
                    Some("cancelled") => &["cancelled"],
                    Some("timed_out") => &["timed-out"],
                    Some("unfinished") => &["(it is not at its end)"],
                    Some(_) => &["failed"],
                    None => &["skipped", "lost"],
                };
                let status = row["status"].as_str().unwrap();
                assert!(expected.contains(&status), "{row} is {expected:?}: {}", self.place(&ended.log));
                assert!(of.is_none() || row["run-id"].as_u64() == of.map(|of| of.run), "{row}: {}", self.place(""));
            }
            let comments = world.comments_on(PULL).len();
            assert_eq!(comments, 1, "{comments} comments: {}", self.place(&ended.log));
        });
        let all = rows.iter().all(|row| row["status"] == "succeeded");
        let said = self.stage.comment();
        let cheers =
            said.contains("deployments succeeded") && said.contains("All") || said.contains("The deployment succeeded");
        assert_eq!(all, cheers, "{said}: {}", self.place(&ended.log));
        assert_eq!(ended.output("result") == "succeeded", all, "{}", self.place(&ended.log));
    }
}

/// People at the comment.
fn done(github: &Github, deed: Deed) {
    github.world(|world| {
        let Some(comment) = world.sticky(PULL).cloned() else { return };
        match deed {
            Deed::Deleted => drop(world.delete_comment(comment.id, "hubot")),
            Deed::Edited => {
                let body = comment.body.replacen("\n\n", "\n\nI was here.\n\n", 1);
                world.edit_comment(comment.id, "hubot", &body);
            }
            Deed::Damaged => {
                let body = comment.body.replace("deployment-approvals-state e", "deployment-approvals-state !");
                world.edit_comment(comment.id, "hubot", &body);
            }
        }
    });
}

#[test]
fn no_random_world_breaks_a_promise() {
    let seeds = chance::seeds(WORLDS);
    play_all(&seeds, |seed| Play::new(*seed).through());
    println!("{} worlds kept every promise", seeds.len());
}

/// What a random world found, told step by step: the comment is deleted, and another process has written its own
/// before the holder, which just saw that all is well, writes down what it is about to dispatch.
#[test]
fn who_writes_a_deleted_comment_anew_and_finds_an_older_one_dispatches_nothing() {
    let mut world = quick_world();
    world.when(|run| run.inputs["component"] == *"vpc").takes(Duration::from_millis(800));
    let list = json!([component("vpc", "plat", "dev", &[component("app", "plat", "dev", &[])])]);
    let stage = Stage::new(world, &list);
    let child = stage.spawn();
    stage.until("vpc runs", |world| world.sticky(PULL).is_some_and(|comment| comment.body.contains("1 running")));
    let github = stage.github.clone();
    stage.github.after_effect(When::get("/issues/{issue_number}/comments"), move || {
        github.world(|world| {
            let old = world.sticky(PULL).unwrap().clone();
            let body = with_memory(&old.body, |record| record.hand.nonce = "another".to_owned());
            world.delete_comment(old.id, "hubot");
            world.comment(PULL, world.identity.clone(), &body);
        });
    });
    let ended = stage.wait(child);
    assert!(ended.log.contains("took this rollout over"), "{}", ended.log);
    stage.github.world(|world| {
        assert_eq!(world.dispatches().len(), 1, "{}", ended.log);
        assert_eq!(world.comments_on(PULL).len(), 1, "{}", ended.log);
    });
}
