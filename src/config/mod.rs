//! The file `.github/deployments.yml`: rules that map what is affected to environments and workflows.
//!
//! The file is read into typed values here, with all its mistakes told together, each with its place. What
//! a rule means for an item is `plan`'s.

mod check;
mod pattern;
mod read;
mod template;

use std::collections::{BTreeMap, BTreeSet};

pub use self::{
    pattern::{Found, Pattern},
    read::{ENVIRONMENT_KEYS, MATCH_KEYS, RULE_KEYS, TOP_KEYS},
    template::{Template, list, nearest},
};
use crate::{affected::Item, finding::Finding, yaml::Place};

/// Names every template may use.
pub const NAMES: [&str; 9] =
    ["component", "stack", "environment", "sha", "head_sha", "base_ref", "pull_request", "deployment_id", "actor"];

/// Names of an item's own fields; which of them an item has depends on the tool that lists it.
pub const FIELDS: [&str; 7] = ["path", "type", "component_path", "component_type", "namespace", "tenant", "stage"];

/// Everything the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The file's name, for messages; empty where there is no file.
    pub file: String,
    /// Merges into other branches are skipped; `None`: the default branch alone is deployed.
    pub branches: Option<Vec<Pattern>>,
    /// What rules and plain lists use where they do not say otherwise.
    pub defaults: Settings,
    /// What is said of environments.
    pub environments: Vec<Environment>,
    /// The rules, of which the first that matches wins.
    pub rules: Vec<Rule>,
    /// What is odd in the file and stops nothing.
    pub warnings: Vec<Finding>,
}

/// How something is dispatched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The workflow's file.
    pub workflow: Option<Template>,
    /// The branch or tag to dispatch on.
    pub git_ref: Option<Template>,
    /// The inputs; `None` takes a default away.
    pub inputs: BTreeMap<String, Option<Template>>,
}

/// What is said of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// The environments in which the same component must have succeeded before.
    pub after: Vec<(String, Place)>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its number, from 1.
    pub number: usize,
    /// Where it begins.
    pub place: Place,
    /// What it is about.
    pub matcher: Match,
    /// Where that goes; empty: `environment: none`.
    pub environments: Vec<Template>,
    /// How it is dispatched.
    pub settings: Settings,
}

/// What a rule is about: all that is given must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Match {
    /// Matches the component.
    pub component: Option<Pattern>,
    /// Matches the stack.
    pub stack: Option<Pattern>,
    /// Matches the path.
    pub path: Option<Pattern>,
    /// Matches the type.
    pub kind: Option<Pattern>,
    /// A rule that does not say is about what exists: what was deleted is not applied by accident.
    pub deleted: bool,
}

impl Config {
    /// Reads the file's text.
    ///
    /// # Errors
    /// All mistakes, each with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Finding>> {
        read::config(file, text)
    }

    /// Whether merges into a branch are deployed.
    pub fn deploys(&self, branch: &str, default_branch: Option<&str>) -> bool {
        match &self.branches {
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(branch)),
            None => default_branch.is_none_or(|default| default == branch),
        }
    }

    /// The branches that are deployed, for messages.
    pub fn branches_told(&self, default_branch: Option<&str>) -> String {
        match &self.branches {
            Some(patterns) => list(patterns.iter().map(Pattern::source)),
            None => format!("`{}`", default_branch.unwrap_or_default()),
        }
    }

    /// The first rule that matches an item, with what it captures.
    pub fn rule_for(&self, item: &Item) -> Option<(&Rule, BTreeMap<String, String>)> {
        if let Some(chosen) = &item.chosen {
            return Some((self.rules.get(chosen.rule)?, chosen.captures.clone()));
        }
        self.rules.iter().find_map(|rule| Some((rule, rule.matcher.find(item)?)))
    }

    /// The environments in which the same component must have succeeded before it goes to this one.
    pub fn before(&self, environment: &str) -> impl Iterator<Item = &str> {
        self.environments
            .iter()
            .filter(move |known| same_environment(&known.name, environment))
            .flat_map(|known| known.after.iter().map(|(name, _)| name.as_str()))
    }

    /// Warnings about an `after` that names an environment nothing here can name. What goes to one of
    /// `present` shows that it can.
    pub fn doubts(&self, present: &BTreeSet<String>) -> Vec<Finding> {
        check::doubts(self, present)
    }
}

impl Rule {
    /// How messages and the plan's `why` name it.
    pub fn told(&self) -> String {
        format!("rule {} (line {})", self.number, self.place.line)
    }
}

impl Match {
    /// What is captured, if the rule is about the item. A name that is captured by two patterns must be the
    /// same text in both.
    pub fn find(&self, item: &Item) -> Option<BTreeMap<String, String>> {
        if self.deleted != item.deleted {
            return None;
        }
        let mut captures = BTreeMap::new();
        for (pattern, text) in [
            (&self.component, Some(item.component.as_str())),
            (&self.stack, item.stack.as_deref()),
            (&self.path, item.path.as_deref()),
            (&self.kind, item.kind.as_deref()),
        ] {
            if let Some(pattern) = pattern {
                merge(&mut captures, pattern.find(text?)?.captures)?;
            }
        }
        Some(captures)
    }

    /// All names it captures.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [&self.component, &self.stack, &self.path, &self.kind].into_iter().flatten().flat_map(Pattern::names)
    }
}

/// Adds captures to others; `None` where a name would get a second value.
pub fn merge(all: &mut BTreeMap<String, String>, more: BTreeMap<String, String>) -> Option<()> {
    for (name, value) in more {
        if *all.entry(name).or_insert_with(|| value.clone()) != value {
            return None;
        }
    }
    Some(())
}

/// GitHub compares environments' names without regard to case.
pub fn same_environment(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests;
