//! All that this GitHub knows. Fields are public: a test sets the stage by them and looks at them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::{Clock, Millis};
use crate::comments::{Comment, CommentChange};
use crate::concurrency::Groups;
use crate::dispatch::Dispatch;
use crate::environment::Environment;
use crate::faults::{Faults, RequestInfo};
use crate::life::Event;
use crate::limits::Limits;
use crate::people::User;
use crate::pulls::PullRequest;
use crate::record::{Exchange, Record};
use crate::run::Run;
use crate::script::Behaviour;

/// One repository on one GitHub, seen through one token.
pub struct World {
    pub clock: Clock,
    pub pace: Pace,
    pub owner: String,
    pub repository: Repository,
    /// Whose token it is.
    pub identity: User,
    /// As in a workflow's `permissions:`; what is missing is refused.
    pub permissions: BTreeMap<String, String>,
    pub tokens: BTreeSet<String>,
    pub server: Server,
    /// Serves below `/api/v3`, as Enterprise Server does.
    pub enterprise: bool,
    /// An Enterprise Server tells its version in every answer.
    pub names_version: bool,
    /// Where people look: begins every `html_url`.
    pub server_url: String,
    /// Where programs ask; set when the server starts.
    pub api_url: String,
    /// Branches by name.
    pub branches: BTreeMap<String, Branch>,
    /// Commits that are known beside the branches' heads, with their own files or the default branch's.
    pub commits: BTreeMap<String, Option<Files>>,
    pub pulls: BTreeMap<u64, PullRequest>,
    pub workflows: Vec<Workflow>,
    pub environments: Vec<Environment>,
    pub runs: BTreeMap<u64, Run>,
    pub comments: Vec<Comment>,
    pub limits: Limits,
    pub faults: Faults,
    /// Everything that was asked and answered.
    pub exchanges: Vec<Exchange>,
    /// Requests that should never have been made: approvals, and endpoints that are not served.
    pub violations: Vec<String>,
    pub(crate) dispatches: Vec<Dispatch>,
    pub(crate) comment_changes: Vec<CommentChange>,
    pub(crate) script: Vec<Behaviour>,
    pub(crate) agenda: BTreeMap<(Millis, u64), Event>,
    pub(crate) groups: Groups,
    pub(crate) events: u64,
    pub(crate) requests: u64,
    pub(crate) hidden: Millis,
    pub(crate) record: Record,
    pub(crate) watchers: Vec<Watcher>,
    ids: u64,
    run_ids: u64,
}

pub(crate) type Watcher = Box<dyn FnMut(&mut World, &RequestInfo) + Send>;

/// A file's path and text.
pub type Files = BTreeMap<String, String>;

#[derive(Debug, Clone)]
pub struct Repository {
    pub id: u64,
    pub name: String,
    pub default_branch: String,
    pub private: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Branch {
    pub sha: String,
    pub files: Files,
}

/// A workflow as listed; its text is the file's, branch by branch.
#[derive(Debug, Clone)]
pub struct Workflow {
    pub id: u64,
    pub path: String,
    /// `active`, `disabled_manually`…
    pub state: String,
    pub created: Millis,
}

/// How a server answers `return_run_details: true`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Server {
    /// With the run: github.com, Enterprise Server from 3.21.
    #[default]
    Modern,
    /// 204, whatever is asked.
    Ignores,
    /// 422: the key is not permitted (seen on Enterprise Server 3.19).
    Refuses,
}

/// How long things take where no rule says otherwise.
#[derive(Debug, Clone)]
pub struct Pace {
    /// A run before it begins, and a job before a runner has it.
    pub queued: Duration,
    /// A job.
    pub takes: Duration,
    /// From the request to the end.
    pub cancels: Duration,
    /// One minute of a wait timer.
    pub minute: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            queued: Duration::from_millis(20),
            takes: Duration::from_millis(50),
            cancels: Duration::from_millis(10),
            minute: Duration::from_secs(60),
        }
    }
}

impl World {
    /// An empty repository with the branch `main`, a token `token` of `github-actions[bot]` which may do
    /// what the action needs, and no environment.
    pub fn new(owner: &str, name: &str) -> World {
        World::with_clock(owner, name, Clock::default())
    }

    /// As [`new`](Self::new), at another time.
    pub fn with_clock(owner: &str, name: &str, clock: Clock) -> World {
        let mut world = World {
            clock,
            pace: Pace::default(),
            owner: owner.to_owned(),
            repository: Repository {
                id: 1_296_269,
                name: name.to_owned(),
                default_branch: "main".to_owned(),
                private: true,
            },
            identity: User::github_actions(),
            permissions: BTreeMap::new(),
            tokens: BTreeSet::from(["token".to_owned()]),
            server: Server::default(),
            enterprise: false,
            names_version: true,
            server_url: "https://github.com".to_owned(),
            api_url: "https://api.github.com".to_owned(),
            branches: BTreeMap::new(),
            commits: BTreeMap::new(),
            pulls: BTreeMap::new(),
            workflows: Vec::new(),
            environments: Vec::new(),
            runs: BTreeMap::new(),
            comments: Vec::new(),
            limits: Limits::default(),
            faults: Faults::default(),
            exchanges: Vec::new(),
            violations: Vec::new(),
            dispatches: Vec::new(),
            comment_changes: Vec::new(),
            script: Vec::new(),
            agenda: BTreeMap::new(),
            groups: Groups::default(),
            events: 0,
            requests: 0,
            hidden: 0,
            record: Record::from_environment(),
            watchers: Vec::new(),
            ids: 0,
            run_ids: 0,
        };
        for (scope, access) in [("actions", "write"), ("contents", "read"), ("pull-requests", "write")] {
            world.permissions.insert(scope.to_owned(), access.to_owned());
        }
        world.branch("main");
        world
    }

    /// `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.repository.name)
    }

    /// The repository's address in the API.
    pub fn repo_api(&self) -> String {
        format!("{}/repos/{}", self.api_url, self.full_name())
    }

    /// The repository's address for people.
    pub fn repo_html(&self) -> String {
        format!("{}/{}", self.server_url, self.full_name())
    }

    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// A small number for anything but a run.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        2_401_000_000 + self.ids
    }

    /// Run ids have eleven digits: they do not fit 32 bits.
    pub(crate) fn next_run_id(&mut self) -> u64 {
        self.run_ids += 1;
        19_876_543_210 + self.run_ids * 7
    }

    /// How many requests have arrived; the next one has the number after it.
    pub fn request_count(&self) -> u64 {
        self.requests
    }

    /// A person, or the token's own identity when it is named.
    pub fn user(&self, login: &str) -> User {
        if login == self.identity.login { self.identity.clone() } else { User::named(login) }
    }

    /// The environment of that name (in any case); as on GitHub, naming an unknown one makes it, unprotected.
    pub(crate) fn environment_or_new(&mut self, name: &str, at: Millis) -> Environment {
        if let Some(known) = self.find_environment(name) {
            return known.clone();
        }
        let id = self.next_id();
        let new = Environment { id, created: at, made_on_use: true, ..Environment::named(name) };
        self.environments.push(new.clone());
        new
    }

    pub fn find_environment(&self, name: &str) -> Option<&Environment> {
        self.environments.iter().find(|e| e.name.eq_ignore_ascii_case(name))
    }

    /// Environments that came into being because a job named them.
    pub fn environments_made_on_use(&self) -> Vec<&str> {
        self.environments.iter().filter(|e| e.made_on_use).map(|e| e.name.as_str()).collect()
    }

    /// The commit and the files that a branch, `refs/heads/…` or a commit's full or short SHA stands for.
    pub fn resolve(&self, name: &str) -> Option<(String, &Files)> {
        let bare = name.strip_prefix("refs/").unwrap_or(name);
        let bare = bare.strip_prefix("heads/").unwrap_or(bare);
        if let Some(branch) = self.branches.get(bare) {
            return Some((branch.sha.clone(), &branch.files));
        }
        let is_it = |sha: &str| bare.len() >= 7 && sha.starts_with(bare);
        if let Some(branch) = self.branches.values().find(|b| is_it(&b.sha)) {
            return Some((branch.sha.clone(), &branch.files));
        }
        let (sha, files) = self.commits.iter().find(|(sha, _)| is_it(sha))?;
        let default = self.branches.get(&self.repository.default_branch)?;
        Some((sha.clone(), files.as_ref().unwrap_or(&default.files)))
    }

    /// A rule for runs to come. Add general rules first: of several that match, the latest wins.
    pub fn when(&mut self, matches: impl Fn(&Run) -> bool + Send + 'static) -> &mut Behaviour {
        self.script.push(Behaviour::when(matches));
        self.script.last_mut().expect("just pushed")
    }

    /// Every dispatch that was accepted, in order.
    pub fn dispatches(&self) -> &[Dispatch] {
        &self.dispatches
    }
}
