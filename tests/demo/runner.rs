//! The runner: builds the action, gives it a workspace, its event and inputs, and starts it.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Instant,
};

use simulated_github::World;

use crate::{
    options::Options,
    world::{Scene, TOKEN},
};

const ACTION: &str = "deployment-approvals";

/// The name under which the action is its own post step.
const POST: &str = "deployment-approvals-post";

/// How much faster than in production the action paces its requests and repeats what failed.
const HURRY: &str = "10";

/// How many milliseconds lie between two looks of the action, at least.
const POLL_MILLIS: u64 = 400;

/// Longest time the action may stay alive; visitors of the playground may take longer.
const TIMEOUT: &str = "5m";
const VISIT: &str = "24h";

/// Builds the action as this example was built and beside it; returns the program.
///
/// The example is named too, and what Cargo tells the programs it runs is taken away: with the same features
/// and the same environment nothing is compiled twice (a build script of `ring` looks at those variables).
pub fn build() -> Result<PathBuf, String> {
    let example = env::current_exe().map_err(|error| format!("where this program lies is unknown: {error}"))?;
    let place = example.ancestors().nth(2).ok_or("this program does not lie in Cargo's target folder")?;
    let above = place.parent().unwrap_or(place);
    let target = above.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists()).unwrap_or(above);
    let profile = match place.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--profile", profile, "--bin", ACTION, "--example", "demo", "--target-dir"]);
    cargo.arg(target).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| told.iter().any(|begin| name.starts_with(begin))) {
            cargo.env_remove(name);
        }
    }
    if let Ok(triple) = above.strip_prefix(target)
        && triple != Path::new("")
    {
        cargo.arg("--target").arg(triple);
    }
    let status = cargo.status().map_err(|error| format!("`{cargo:?}` cannot be started: {error}"))?;
    if !status.success() {
        return Err(format!("the action could not be built ({status}); Cargo says above why: {cargo:?}"));
    }
    let program = place.join(format!("{ACTION}{}", env::consts::EXE_SUFFIX));
    if !program.is_file() {
        return Err(format!("the action was built, and is not where it was expected: {}", program.display()));
    }
    Ok(program)
}

/// A step of a job: its folder and its environment.
pub struct Runner {
    folder: PathBuf,
    environment: Vec<(String, String)>,
    /// How often the job was run, this time included.
    pub attempt: u32,
}

/// Which container of the action is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Main,
    Post,
}

impl Runner {
    /// Lays out the folder. The world is handed back, to be started.
    pub fn new(scene: Scene, options: &Options) -> Result<(Self, World), String> {
        let folder = tempfile::Builder::new().prefix("deployment-approvals-demo-").tempdir();
        let folder = folder.map_err(|error| format!("no temporary folder can be made: {error}"))?.keep();
        let Scene { world, number, event_name, event, affected, config, .. } = scene;
        let mut runner = Self { folder, environment: Vec::new(), attempt: 1 };
        fs::create_dir(runner.path("workspace")).map_err(|error| format!("no workspace can be made: {error}"))?;
        runner.write("event.json", &event)?;
        if let Some((name, text)) = affected {
            runner.write(&format!("workspace/{name}"), &text)?;
            runner.input("affected", name);
        }
        if let Some(text) = config {
            runner.write("workspace/deployments.yml", &text)?;
            runner.input("config", "deployments.yml");
        }
        if !matches!(event_name, "pull_request" | "push") {
            runner.input("pull-request", &number.to_string());
        }
        runner.input("token", TOKEN);
        runner.input("poll-interval", &humantime::format_duration(options.own_haste().ms(POLL_MILLIS)).to_string());
        runner.input("timeout", if options.serve.is_some() { VISIT } else { TIMEOUT });
        runner.input("dry-run", &options.dry_run.to_string());
        let repository = world.full_name();
        runner.job(&repository, event_name);
        Ok((runner, world))
    }

    /// What the runner tells every step.
    fn job(&mut self, repository: &str, event_name: &str) {
        let mut set = |name: &str, value: String| self.environment.push((name.to_owned(), value));
        let path = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        set("GITHUB_REPOSITORY", repository.to_owned());
        set("GITHUB_EVENT_NAME", event_name.to_owned());
        set("GITHUB_EVENT_PATH", path("event.json"));
        set("GITHUB_WORKSPACE", path("workspace"));
        set("GITHUB_OUTPUT", path("output.txt"));
        set("GITHUB_STEP_SUMMARY", path("summary.md"));
        set("GITHUB_STATE", path("state.txt"));
        set("GITHUB_RUN_ID", "7000000001".to_owned());
        set("GITHUB_WORKFLOW_REF", format!("{repository}/.github/workflows/deploy.yml@refs/heads/main"));
        set("GITHUB_JOB", "deploy".to_owned());
        set("GITHUB_ACTION", "deployments".to_owned());
        set("DEPLOYMENT_APPROVALS_HURRY", HURRY.to_owned());
    }

    fn input(&mut self, name: &str, value: &str) {
        self.environment.push((format!("INPUT_{}", name.to_uppercase()), value.to_owned()));
    }

    fn write(&self, name: &str, text: &[u8]) -> Result<(), String> {
        let path = self.path(name);
        fs::write(&path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }

    /// Starts the action in an environment of its own: nothing of the spectator's gets in. Its log goes on.
    pub fn start(&self, program: &Path, api_url: &str, step: Step) -> Result<Running, String> {
        let log = self.log().and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(|error| format!("the log cannot be written: {error}"))?;
        let saved = self.read("state.txt");
        let saved = saved.lines().filter_map(|line| line.split_once('=')).filter(|_| step == Step::Post);
        let mut command = Command::new(program);
        if step == Step::Post {
            command.arg0(POST);
        }
        let child = command
            .env_clear()
            .envs(env::vars().filter(|(name, _)| name.starts_with("SSL_CERT") || name == "LLVM_PROFILE_FILE"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(saved.map(|(name, value)| (format!("STATE_{name}"), value)))
            .env("GITHUB_RUN_ATTEMPT", self.attempt.to_string())
            .env("GITHUB_API_URL", api_url)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
        Ok(Running { child, began: Instant::now() })
    }

    /// The log; what is written to it goes to its end.
    fn log(&self) -> io::Result<fs::File> {
        fs::File::options().create(true).append(true).open(self.path("log.txt"))
    }

    /// Puts a line into the log.
    pub fn note(&self, line: &str) -> Result<(), String> {
        let written = self.log().and_then(|mut log| writeln!(log, "{line}"));
        written.map_err(|error| format!("the log cannot be written: {error}"))
    }

    /// The job is run once more, with files of its own; the log goes on.
    pub fn next_attempt(&mut self) -> Result<(), String> {
        self.attempt += 1;
        for name in ["output.txt", "summary.md", "state.txt"] {
            self.write(name, b"")?;
        }
        Ok(())
    }

    /// Takes all its files away.
    pub fn clean(&self) {
        // What is left lies in a temporary folder.
        drop(fs::remove_dir_all(&self.folder));
    }

    /// Where a file of this step lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What is in it; nothing if it is not there.
    pub fn read(&self, name: &str) -> String {
        fs::read(self.path(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// An output of the step.
    pub fn output(&self, name: &str) -> Option<String> {
        let outputs = self.read("output.txt");
        let found = outputs.lines().filter_map(|line| line.split_once('=')).find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_owned())
    }
}

/// Ctrl-C goes to the action too, which answers it as it answers a cancelled job; the demo stays to show how.
pub fn outlive_interrupts() {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(async { while tokio::signal::ctrl_c().await.is_ok() {} });
        }
    });
}

/// The action at work. It does not outlive the demo.
pub struct Running {
    child: Child,
    began: Instant,
}

/// How the action ended.
pub struct Ended {
    pub code: u8,
    /// The exit status or the signal.
    pub how: String,
    pub after: std::time::Duration,
}

impl Running {
    /// Sends a signal: `INT`, `TERM`. One that has ended takes none, and that is no mistake.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        if kill.is_err() {
            eprintln!("demo: there is no `kill` to send SIG{name} with");
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // An error means that it has ended already.
        drop(self.child.kill());
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Result<Option<Ended>, String> {
        let status = self.child.try_wait().map_err(|error| format!("the action is out of sight: {error}"))?;
        // A process that a signal ended has no code.
        let code = |code: i32| u8::try_from(code).unwrap_or(1);
        Ok(status.map(|status| Ended {
            code: code(status.code().unwrap_or(1)),
            how: status.to_string(),
            after: self.began.elapsed(),
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        drop(self.child.wait());
    }
}
