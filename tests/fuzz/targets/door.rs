//! Everything that comes in as text: lists, config, payloads, inputs, workflows, patterns, templates.

use std::{cell::RefCell, collections::BTreeMap, fs, path::PathBuf};

use deployment_approvals::{
    affected::{self, Item, List, Sight},
    config::{Config, Pattern, Template},
    context::Context,
    event,
    finding::Finding,
    inputs::Inputs,
    plan::{self, Subject},
    rollout::{Deployment, Rollout},
    run::Time,
    workflow::{self, expression, expression::Scope},
};

use super::{memory, text, told};

/// The input `affected`, without a config.
pub fn affected(bytes: &[u8]) {
    if let Some(list) = text(bytes) {
        planned(&Config::default(), list);
    }
}

/// The config file.
pub fn config(bytes: &[u8]) {
    let Some(source) = text(bytes) else { return };
    let config = match Config::parse("deployments.yml", source) {
        Ok(config) => config,
        Err(mistakes) => return tell(&mistakes),
    };
    assert_eq!(Config::parse("deployments.yml", source).as_ref(), Ok(&config), "read again it is another one");
    config.deploys("main", Some("main"));
    for component in ["vpc", "live/prod/vpc", "eks/api"] {
        let item = Item {
            component: component.to_owned(),
            stack: Some("plat-use2-prod".to_owned()),
            path: Some(format!("components/{component}")),
            ..Item::default()
        };
        drop(plan::make(&subject(), &config, &[item]).map_err(|findings| tell(&findings)));
    }
}

/// A config and a list: what stands between them is a line of dashes.
pub fn plan(bytes: &[u8]) {
    let Some((config, list)) = text(bytes).and_then(|text| text.split_once("\n-----\n")) else {
        return;
    };
    match Config::parse("deployments.yml", config) {
        Ok(config) => planned(&config, list),
        Err(mistakes) => tell(&mistakes),
    }
}

fn planned(config: &Config, list: &str) {
    let list = match affected::parse(list) {
        Ok(list) => list,
        Err(mistake) => return told([&mistake]),
    };
    let items = match list {
        List::Items(items) => items,
        List::Lines(lines) => {
            let sight = |line: affected::Line| Sight { path: line.text, removed: false, line: Some(line.number) };
            affected::map(config, &lines.into_iter().map(sight).collect::<Vec<_>>(), &Default::default()).items
        }
    };
    match plan::make(&subject(), config, &items) {
        Err(findings) => tell(&findings),
        Ok((planned, _)) => {
            for (index, one) in planned.iter().enumerate() {
                assert!(one.needs.iter().all(|need| *need < index), "{} comes before what it needs", one.name());
                assert!(one.skip.is_some() || !one.environment.is_empty(), "{} goes nowhere", one.name());
            }
            let deployments = planned.into_iter().map(Deployment::new).collect();
            memory::remembered(Rollout { subject: subject(), started_at: Time::UNIX_EPOCH, deployments });
        }
    }
}

/// The pull request of every target.
pub fn subject() -> Subject {
    Subject {
        repository: "acme/infra".to_owned(),
        pull_request: 42,
        merge_commit: "c0ffee".repeat(6) + "c0ff",
        head_sha: "decade".repeat(6) + "deca",
        base_ref: "main".to_owned(),
        ..Subject::default()
    }
}

fn tell(findings: &[Finding]) {
    told(&findings.iter().map(Finding::line).collect::<Vec<_>>());
}

/// The event's payload: the first byte says which event it is of.
pub fn event(bytes: &[u8]) {
    const NAMES: [&str; 7] =
        ["pull_request", "pull_request_target", "push", "workflow_dispatch", "schedule", "workflow_run", "issues"];
    thread_local! {
        static FILE: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
    }
    let Some((first, payload)) = bytes.split_first() else { return };
    let file = FILE.with_borrow_mut(|file| file.get_or_insert_with(fresh_file).clone());
    fs::write(&file, payload).expect("a file of our own");
    let asked = (first / 7 % 2 == 1).then_some(42);
    match event::read(&file, NAMES[usize::from(first % 7)], asked) {
        Ok(event) => assert!(asked.is_none() || !format!("{event:?}").contains("Sweep"), "what was asked is forgotten"),
        Err(mistake) => told([&mistake]),
    }
}

fn fresh_file() -> PathBuf {
    let thread = format!("{:?}", std::thread::current().id()).replace(|letter: char| !letter.is_ascii_digit(), "");
    std::env::temp_dir().join(format!("fuzzed-event-{}-{thread}", std::process::id()))
}

/// The runner's variables and the inputs: `NAME=value` lines.
pub fn inputs(bytes: &[u8]) {
    let Some(lines) = text(bytes) else { return };
    let variables: Vec<(String, String)> = lines
        .split('\n')
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.replace("\\n", "\n")))
        .collect();
    if let Err(mistakes) = Inputs::read(&variables) {
        told(&mistakes);
    }
    match Context::read(&variables) {
        Ok(context) => drop(context.run_url()),
        Err(mistakes) => told(&mistakes),
    }
}

/// A workflow file. What can be asked about it is.
pub fn workflow(bytes: &[u8]) {
    let Some(source) = text(bytes) else { return };
    // An expression alone, too: the fuzzer gets to its corners sooner.
    let known = |name: &str| (name.to_owned(), Some("prod".to_owned()));
    let scope = Scope { inputs: BTreeMap::from([known("environment"), ("odd".to_owned(), None)]), ..Scope::default() };
    drop(expression::resolve(source, &scope));
    let declared = match workflow::read(source) {
        Ok(declared) => declared,
        Err(mistake) => return assert!(!mistake.is_empty()),
    };
    let id = "0123456789ab";
    let set = BTreeMap::from([("component".to_owned(), "vpc".to_owned())]);
    let inputs = declared.filled(&set, "c0ffee", id);
    declared.shows(&inputs, id);
    let scope = declared.scope(&inputs);
    for job in &declared.jobs {
        drop(declared.call_scope(job, &scope));
        if let workflow::Named::Text(name) = &job.environment {
            drop(expression::resolve(name, &scope));
        }
    }
}

/// A pattern, a text it is tried on, and a template: one a line.
pub fn patterns(bytes: &[u8]) {
    let Some(source) = text(bytes) else { return };
    let mut lines = source.splitn(3, '\n');
    let (pattern, tried, template) = (lines.next(), lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    for separator in ['/', '-'] {
        match Pattern::parse(pattern.unwrap_or(""), separator) {
            Err(mistake) => told([&mistake]),
            Ok(pattern) => {
                assert!(pattern.covers(&pattern), "{pattern:?} does not cover itself");
                let found = pattern.find(tried);
                assert_eq!(found.is_some(), pattern.matches(tried), "{pattern:?} on {tried:?}");
                let Some(found) = found else { continue };
                assert_eq!(found.captures.len(), pattern.names().count(), "{pattern:?} on {tried:?}");
                rendered(template, &found.captures);
            }
        }
    }
    rendered(template, &BTreeMap::from([("component".to_owned(), tried.to_owned())]));
}

fn rendered(source: &str, values: &BTreeMap<String, String>) {
    match Template::parse(source) {
        Err(mistake) => told([&mistake]),
        Ok(template) => match template.render(values) {
            Ok(text) => assert!(template.text().is_none_or(|plain| plain == text)),
            Err(mistake) => told([&mistake]),
        },
    }
}
