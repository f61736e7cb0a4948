//! A folder of one's own: its files go to the action as they are, and a world is made up to fit them.

use std::{fs, io, path::Path};

use serde_json::Value;
use simulated_github::{ChangedFile, Clock, Environment, World};

use crate::{
    options::Options,
    survey::Survey,
    world::{self, Scene},
};

const EVENT: &str = "event.json";
const CONFIG: &str = "deployments.yml";
const CHANGED_FILES: &str = "changed-files.txt";
const LISTS: [&str; 2] = ["affected.json", "affected.txt"];

/// The pull request, where the event does not number it.
const NUMBER: u64 = 42;

/// Reads the folder and sets the stage by it.
pub fn scene(folder: &Path, options: &Options) -> Result<Scene, String> {
    if !folder.is_dir() {
        return Err(format!("--input: `{}` is no folder", folder.display()));
    }
    let mut affected = None;
    for name in LISTS {
        affected = affected.or(read(folder, name)?.map(|bytes| (name, bytes)));
    }
    let changed = read(folder, CHANGED_FILES)?;
    if affected.is_none() && changed.is_none() {
        let lists = LISTS.join(", ");
        return Err(format!("--input: `{}` has none of {lists}, {CHANGED_FILES}", folder.display()));
    }
    let changed: Vec<String> = lossy(changed.as_deref()).lines().map(|line| line.trim().to_owned()).collect();
    let config = read(folder, CONFIG)?;
    let list = affected.as_ref().map(|(_, bytes)| lossy(Some(bytes)));
    let survey = Survey::of(list.as_deref(), config.as_ref().map(|bytes| lossy(Some(bytes))).as_deref(), &changed);
    let event = read(folder, EVENT)?;
    let payload = event.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let plot = Plot::of(payload.unwrap_or(Value::Null));
    // What a text lists is there, too.
    let listed = affected.as_ref().filter(|(name, _)| name.ends_with(".txt"));
    let listed = lossy(listed.map(|(_, bytes)| bytes.as_slice()));
    let paths = changed.iter().map(String::as_str).chain(listed.lines().map(str::trim));
    let mut world = plot.world(&survey, paths, options.clock());
    plot.pull_request(&mut world, &changed);
    world::cast(&mut world, options);
    Ok(Scene {
        number: plot.number,
        event_name: plot.event_name(),
        event: event.unwrap_or_else(|| world.pull_request_closed(plot.number).to_string().into_bytes()),
        affected,
        config,
        components: survey.components.into_iter().collect(),
        world,
    })
}

fn read(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, String> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("--input: `{}` cannot be read: {error}", path.display())),
    }
}

fn lossy(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

/// What the event tells of the story so far.
struct Plot {
    event: Value,
    owner: String,
    name: String,
    number: u64,
    default_branch: String,
    base: String,
}

impl Plot {
    fn of(event: Value) -> Self {
        let pull = &event["pull_request"];
        let repository = &event["repository"];
        let full_name = repository["full_name"].as_str().and_then(|name| name.split_once('/'));
        let (owner, name) = full_name.unwrap_or(("acme", "infra"));
        let word = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let pushed = event["ref"].as_str().and_then(|name| name.strip_prefix("refs/heads/"));
        let default_branch = word(&repository["default_branch"]).unwrap_or_else(|| "main".to_owned());
        let base = word(&pull["base"]["ref"]).or(pushed.map(str::to_owned));
        Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
            number: pull["number"].as_u64().or(event["number"].as_u64()).unwrap_or(NUMBER),
            base: base.unwrap_or_else(|| default_branch.clone()),
            default_branch,
            event,
        }
    }

    /// GitHub tells the name beside the payload; here it is seen in it.
    fn event_name(&self) -> &'static str {
        let has = |key: &str| self.event.get(key).is_some();
        match () {
            () if has("merge_group") => "merge_group",
            () if has("pull_request") => "pull_request",
            () if has("after") => "push",
            () if has("workflow_run") => "workflow_run",
            () if has("schedule") => "schedule",
            () if has("inputs") || has("workflow") => "workflow_dispatch",
            () => "pull_request",
        }
    }

    /// The repository, with all that the list and the config name.
    fn world<'a>(&self, survey: &Survey, paths: impl Iterator<Item = &'a str>, clock: Clock) -> World {
        let mut world = World::with_clock(&self.owner, &self.name, clock);
        if self.default_branch != "main" {
            world.branches.remove("main");
            world.repository.default_branch.clone_from(&self.default_branch);
            world.branch(&self.default_branch);
        }
        for (file, yaml) in survey.workflows() {
            world.workflow(file, &yaml);
        }
        for path in paths {
            world.file(path, "");
        }
        if self.base != self.default_branch {
            world.branch(&self.base);
        }
        for name in &survey.environments {
            let protected = name.to_lowercase().contains("prod");
            world.environment(if protected { world::reviewed(name) } else { Environment::named(name) });
        }
        world
    }

    /// The pull request as the event has it; merged, unless it says otherwise.
    fn pull_request(&self, world: &mut World, changed: &[String]) {
        let told = &self.event["pull_request"];
        let login = |value: &Value, other: &str| value["login"].as_str().unwrap_or(other).to_owned();
        let title = told["title"].as_str().unwrap_or("A change of one's own").to_owned();
        let base_sha = world.branches.get(&self.base).map(|branch| branch.sha.clone());
        let pull = world.open_pull_request(self.number, &title, &login(&told["user"], "octocat"));
        pull.base_ref.clone_from(&self.base);
        pull.base_sha = base_sha.unwrap_or_default();
        let labels = told["labels"].as_array().into_iter().flatten();
        pull.labels = labels.filter_map(|label| label["name"].as_str().map(str::to_owned)).collect();
        if !changed.is_empty() {
            pull.files = changed.iter().map(|path| ChangedFile::modified(path)).collect();
        }
        let closed = match (self.event["action"].as_str(), told["state"].as_str()) {
            (Some(action), _) if !told.is_null() => action == "closed",
            (_, Some(state)) => state == "closed",
            _ => true,
        };
        if closed && told["merged"] == false {
            pull.closed = Some(pull.created);
        } else if closed {
            world.merge(self.number, &login(&told["merged_by"], "lena"));
            self.merge_commit(world);
        }
    }

    /// The event's own merge commit instead of one made up.
    fn merge_commit(&self, world: &mut World) {
        let told = self.event["pull_request"]["merge_commit_sha"].as_str().or(self.event["after"].as_str());
        let Some(sha) = told.filter(|sha| !sha.is_empty()) else { return };
        if let Some(merge) = world.pulls.get_mut(&self.number).and_then(|pull| pull.merged.as_mut()) {
            sha.clone_into(&mut merge.sha);
        }
        if let Some(branch) = world.branches.get_mut(&self.base) {
            sha.clone_into(&mut branch.sha);
            world.commits.insert(sha.to_owned(), Some(branch.files.clone()));
        }
    }
}
