//! A stage: a simulated GitHub, a runner's folder, and the binary on it with a scrubbed environment.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use simulated_github::{Clock, Environment, Github, ReviewState, World};
use tempfile::TempDir;

/// The pull request of every story.
pub const PULL: u64 = 42;

/// The job's token.
pub const TOKEN: &str = "ghs_0123456789abcdefABCDEF0123456789abcd";

/// A workflow as Atmos Pro publishes it: its title shows the deployment's id.
pub const APPLY: &str = "
name: apply
run-name: apply ${{ inputs.component }} in ${{ inputs.stack }} | ${{ inputs.atmos_pro_run_id }}
on:
  workflow_dispatch:
    inputs:
      component: {type: string, required: true}
      stack: {type: string, required: true}
      github_environment: {type: string, required: true}
      sha: {type: string}
      atmos_pro_run_id: {type: string}
jobs:
  apply:
    runs-on: ubuntu-latest
    environment: ${{ inputs.github_environment }}
    steps:
      - name: terraform apply
        run: terraform apply
";

/// A world in which `acme/infra` has merged pull request 42: `dev` is open, `prod` asks mona or the team.
pub fn world() -> World {
    let mut world = World::new("acme", "infra");
    world.clock = Clock::starting_at("2026-03-02T09:00:00Z");
    world.tokens.insert(TOKEN.to_owned());
    world.workflow("atmos-terraform-apply.yaml", APPLY);
    world.environment(Environment::named("dev"));
    world.environment(Environment::named("prod").reviewed_by(&["mona", "team:platform"]));
    world.open_pull_request(PULL, "Widen the subnets", "octocat");
    world.merge(PULL, "hubot");
    world
}

/// One component in one stack, with settings as Atmos Pro documents them.
pub fn component(name: &str, stack: &str, environment: &str, dependents: &[Value]) -> Value {
    json!({
        "component": name, "component_type": "terraform", "stack": stack,
        "component_path": format!("components/terraform/{name}"),
        "stack_slug": format!("{stack}-{name}"), "affected": "stack.vars",
        "dependents": dependents, "included_in_dependents": false,
        "settings": {"pro": {"enabled": true, "pull_request": {"merged": {"workflows": {
            "atmos-terraform-apply.yaml": {"inputs": {
                "component": name, "stack": stack, "github_environment": environment
            }}
        }}}}}
    })
}

/// What `mona` (or another) will say to the given component in the given environment.
pub fn will_say(world: &mut World, component: &str, environment: &str, state: ReviewState, words: &str) {
    let (component, wanted) = (component.to_owned(), environment.to_owned());
    world
        .when(move |run| run.inputs["component"] == *component && run.inputs["github_environment"] == *wanted)
        .reviewed(Duration::from_millis(60), state, "mona", words);
}

/// Plays many stories, some at once: they mostly wait.
pub fn play_all<T: Send + Sync>(stories: &[T], play: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(story) = stories.get(next.fetch_add(1, Ordering::Relaxed)) {
                    play(story);
                }
            });
        }
    });
}

const AT_ONCE: usize = 6;

/// A world in a hurry, for stories that are played hundreds of times.
pub fn quick_world() -> World {
    let mut world = world();
    world.pace.queued = Duration::from_millis(5);
    world.pace.takes = Duration::from_millis(15);
    world
}

pub struct Stage {
    pub github: Github,
    pub folder: TempDir,
    pub environment: BTreeMap<String, String>,
}

pub struct Ended {
    pub code: Option<i32>,
    pub log: String,
    pub outputs: BTreeMap<String, String>,
    pub summary: String,
}

impl Stage {
    /// A stage on which the pull request's merge triggers the action with this list.
    pub fn new(world: World, affected: &Value) -> Self {
        let merged = world.pulls[&PULL].merged.as_ref().map(|merge| merge.sha.clone());
        let github = Github::start(world);
        let folder = TempDir::new().unwrap();
        let event = json!({
            "action": "closed", "number": PULL,
            "pull_request": {"number": PULL, "state": "closed", "merged": true, "merge_commit_sha": merged},
            "repository": {"full_name": "acme/infra"}
        });
        fs::write(folder.path().join("event.json"), event.to_string()).unwrap();
        fs::write(folder.path().join("affected.json"), affected.to_string()).unwrap();
        let mut stage = Self { github, folder, environment: BTreeMap::new() };
        let folder = stage.folder.path().to_string_lossy().into_owned();
        for (name, value) in [
            ("GITHUB_API_URL", stage.github.api_url()),
            ("GITHUB_REPOSITORY", "acme/infra".to_owned()),
            ("GITHUB_EVENT_NAME", "pull_request".to_owned()),
            ("GITHUB_EVENT_PATH", format!("{folder}/event.json")),
            ("GITHUB_WORKSPACE", folder.clone()),
            ("GITHUB_OUTPUT", format!("{folder}/output")),
            ("GITHUB_STEP_SUMMARY", format!("{folder}/summary")),
            ("GITHUB_STATE", format!("{folder}/state")),
            ("GITHUB_RUN_ID", "7000000001".to_owned()),
            ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
            ("GITHUB_WORKFLOW_REF", "acme/infra/.github/workflows/deploy.yml@refs/heads/main".to_owned()),
            ("GITHUB_JOB", "deploy".to_owned()),
            ("GITHUB_ACTION", "__run".to_owned()),
            ("INPUT_TOKEN", TOKEN.to_owned()),
            ("INPUT_AFFECTED", "affected.json".to_owned()),
            ("INPUT_POLL-INTERVAL", "30ms".to_owned()),
            ("INPUT_TIMEOUT", "30s".to_owned()),
            ("DEPLOYMENT_APPROVALS_HURRY", "100".to_owned()),
        ] {
            stage.environment.insert(name.to_owned(), value);
        }
        stage
    }

    /// Sets an input.
    pub fn input(mut self, name: &str, value: &str) -> Self {
        self.set_input(name, value);
        self
    }

    pub fn set_input(&mut self, name: &str, value: &str) {
        self.environment.insert(format!("INPUT_{}", name.to_uppercase()), value.to_owned());
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// The job is run again: the next attempt of the same run.
    pub fn next_attempt(&mut self) {
        let attempt: u64 = self.environment["GITHUB_RUN_ATTEMPT"].parse().unwrap();
        self.set("GITHUB_RUN_ATTEMPT", &(attempt + 1).to_string());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn spawn(&self) -> Child {
        self.spawn_as(env!("CARGO_BIN_EXE_deployment-approvals").into())
    }

    fn spawn_as(&self, program: PathBuf) -> Child {
        for name in ["output", "summary", "log"] {
            fs::write(self.path(name), "").unwrap();
        }
        let log = fs::File::create(self.path("log")).unwrap();
        Command::new(program)
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| name.starts_with("SSL_CERT") || name == "LLVM_PROFILE_FILE"))
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .spawn()
            .unwrap()
    }

    /// Runs the action to its end.
    pub fn run(&self) -> Ended {
        self.wait(self.spawn())
    }

    /// Runs the post step, with what the main step saved.
    pub fn run_post(&mut self) -> Ended {
        let link = self.path("deployment-approvals-post");
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_deployment-approvals"), &link).unwrap();
        }
        for line in fs::read_to_string(self.path("state")).unwrap_or_default().lines() {
            let (name, value) = line.split_once('=').unwrap();
            self.environment.insert(format!("STATE_{name}"), value.to_owned());
        }
        self.wait(self.spawn_as(link))
    }

    /// Waits for the process; one that does not end in time is a failed test.
    pub fn wait(&self, child: Child) -> Ended {
        self.wait_shared(&Mutex::new(Some(child)))
    }

    /// The same for a process that somebody else may kill meanwhile: then there is no exit status.
    pub fn wait_shared(&self, child: &Mutex<Option<Child>>) -> Ended {
        let begin = Instant::now();
        let code = loop {
            if let Some(status) = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap() {
                break status.code();
            }
            if begin.elapsed() > Duration::from_secs(60) {
                child.lock().unwrap().as_mut().unwrap().kill().unwrap();
                panic!("the action does not end. Its log:\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(2));
        };
        let outputs = fs::read_to_string(self.path("output")).unwrap_or_default();
        Ended {
            code,
            log: self.log(),
            outputs: outputs
                .lines()
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            summary: fs::read_to_string(self.path("summary")).unwrap_or_default(),
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until something is true of the world.
    pub fn until(&self, what: &str, test: impl Fn(&mut World) -> bool) {
        let begin = Instant::now();
        while !self.github.world(&test) {
            assert!(begin.elapsed() < Duration::from_secs(20), "never came: {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The comment as people read it: without marker and state.
    pub fn comment(&self) -> String {
        self.github.world(|world| world.sticky(PULL).map(|comment| visible(&comment.body)).unwrap_or_default())
    }

    /// How often each component and environment was dispatched.
    pub fn dispatched(&self) -> BTreeMap<String, usize> {
        self.github.world(|world| {
            let mut counts = BTreeMap::new();
            for dispatch in world.dispatches() {
                let input = |name: &str| dispatch.inputs.0.get(name).cloned().unwrap_or_default();
                *counts.entry(format!("{} {}", input("component"), input("stack"))).or_default() += 1;
            }
            counts
        })
    }
}

impl Ended {
    /// An output.
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("(not set)", String::as_str)
    }

    /// `component stack: status` of every deployment.
    pub fn statuses(&self) -> Vec<String> {
        let rows: Value = serde_json::from_str(self.output("deployments")).unwrap();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| format!("{} {}: {}", text(row, "component"), text(row, "stack"), text(row, "status")))
            .collect()
    }

    /// Fails with the log unless the result and the exit status are these.
    pub fn expect(&self, result: &str, code: i32) -> &Self {
        assert_eq!((self.output("result"), self.code), (result, Some(code)), "log:\n{}", self.log);
        self
    }
}

/// A comment's text without its hidden first and last line.
pub fn visible(body: &str) -> String {
    let lines: Vec<&str> = body.lines().collect();
    assert!(lines[0].starts_with("<!-- "), "no marker: {}", lines[0]);
    assert!(lines[lines.len() - 1].starts_with("<!-- "), "no state: {}", lines[lines.len() - 1]);
    lines[1..lines.len() - 1].join("\n")
}
