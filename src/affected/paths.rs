//! Paths and names become components here: rules say which folder is one, and what it is called.
//!
//! A changed file is known to be a file, and whether it is still there; a line of a text is a path or a name
//! of which nothing more is known.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Chosen, Item};
use crate::config::{Config, Rule, merge};

/// A path that a pull request changes, or that a list names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sight {
    /// The path.
    pub path: String,
    /// A file that is no longer there under this name.
    pub removed: bool,
    /// The line of the list; a changed file has none.
    pub line: Option<usize>,
}

/// What rules make of paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapped {
    /// The components, in the order in which they are first seen.
    pub items: Vec<Item>,
    /// Indices of those that no rule matches.
    pub rest: Vec<usize>,
}

/// What one rule takes a path for.
struct Reading {
    component: String,
    stack: Option<String>,
    /// The component's folder; `None`: the rule knows names only.
    folder: Option<String>,
    captures: BTreeMap<String, String>,
}

/// The folders of which must be known whether they are still there: those that lost a file and in which no
/// other sight shows that something is left.
pub fn folders(config: &Config, sights: &[Sight]) -> BTreeSet<String> {
    let removed = sights.iter().filter(|sight| sight.removed);
    let mut folders: BTreeSet<String> = removed
        .flat_map(|sight| config.rules.iter().filter_map(|rule| read(rule, sight)?.folder))
        .filter(|folder| folder != ROOT)
        .collect();
    for sight in sights.iter().filter(|sight| !sight.removed) {
        let parents = sight.path.match_indices('/').filter_map(|(at, _)| sight.path.get(..at));
        for parent in parents {
            folders.remove(parent);
        }
    }
    folders
}

/// Maps every path. `gone` are the folders that are no longer there.
pub fn map(config: &Config, sights: &[Sight], gone: &BTreeSet<String>) -> Mapped {
    let mut mapped = Mapped::default();
    let mut seen = HashSet::new();
    for (index, sight) in sights.iter().enumerate() {
        let Some(item) = component(config, sight, gone) else {
            mapped.rest.push(index);
            continue;
        };
        let key = (item.component.clone(), item.stack.clone(), item.chosen.clone());
        if seen.insert(key) {
            mapped.items.push(item);
        }
    }
    mapped
}

/// The component a path belongs to: the first rule that matches says so.
fn component(config: &Config, sight: &Sight, gone: &BTreeSet<String>) -> Option<Item> {
    for (index, rule) in config.rules.iter().enumerate() {
        let Some(reading) = read(rule, sight) else { continue };
        let deleted = sight.line.is_none() && reading.folder.as_ref().is_some_and(|folder| gone.contains(folder));
        if rule.matcher.deleted && !deleted {
            continue;
        }
        let chosen = if deleted {
            config.rules.iter().enumerate().find_map(|(index, rule)| {
                let captures = of_deleted(rule, sight, &reading)?;
                Some(Chosen { rule: index, captures })
            })
        } else {
            Some(Chosen { rule: index, captures: reading.captures.clone() })
        };
        return Some(Item {
            component: reading.component,
            stack: reading.stack,
            path: reading.folder,
            deleted,
            chosen,
            ..Item::default()
        });
    }
    None
}

/// The root of the repository, as the name of a folder.
const ROOT: &str = ".";

fn read(rule: &Rule, sight: &Sight) -> Option<Reading> {
    let matcher = &rule.matcher;
    if matcher.kind.is_some() {
        return None;
    }
    let mut reading = match &matcher.path {
        Some(pattern) => {
            let found = pattern.find(&sight.path)?;
            if sight.line.is_none() && found.directory.as_ref() == Some(&sight.path) {
                // `x/**` matches `x` too, which is meant for folders: a changed file is none, so a README
                // beside the components is no component.
                return None;
            }
            let folder = found.directory.unwrap_or_else(|| {
                if sight.line.is_none() || pattern.names_files() { parent(&sight.path) } else { sight.path.clone() }
            });
            let capture = |name: &str| found.captures.get(name).cloned();
            Reading {
                component: capture("component").unwrap_or_else(|| folder.clone()),
                stack: capture("stack"),
                folder: Some(folder),
                captures: found.captures,
            }
        }
        None if sight.line.is_some() && matcher.component.is_some() => {
            Reading { component: sight.path.clone(), stack: None, folder: None, captures: BTreeMap::new() }
        }
        None => return None,
    };
    for (pattern, text) in [(&matcher.component, Some(&reading.component)), (&matcher.stack, reading.stack.as_ref())] {
        if let Some(pattern) = pattern {
            merge(&mut reading.captures, pattern.find(text?)?.captures)?;
        }
    }
    Some(reading)
}

/// Whether a rule for what was deleted is about this component, and what it captures.
fn of_deleted(rule: &Rule, sight: &Sight, reading: &Reading) -> Option<BTreeMap<String, String>> {
    let matcher = &rule.matcher;
    if !matcher.deleted || matcher.kind.is_some() {
        return None;
    }
    let mut captures = reading.captures.clone();
    for (pattern, text) in [
        (&matcher.component, Some(&reading.component)),
        (&matcher.stack, reading.stack.as_ref()),
        (&matcher.path, Some(&sight.path)),
    ] {
        if let Some(pattern) = pattern {
            merge(&mut captures, pattern.find(text?)?.captures)?;
        }
    }
    Some(captures)
}

fn parent(path: &str) -> String {
    path.rsplit_once('/').map_or(ROOT, |(folder, _)| folder).to_owned()
}
