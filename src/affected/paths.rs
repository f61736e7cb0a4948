//! Paths and names become components here: rules say which folder is one, and what it is called.
//!
//! A changed file is known to be a file, and whether it is still there; a line of a text is a path or a name
//! of which nothing more is known. What a rule maps by `path` is taken for a path, what it maps by `component`
//! alone for a name.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Chosen, Item};
use crate::config::{Config, Found, Pattern, Rule, merge};
use crate::ordered::Ordered;

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
    /// What is gone when the component was deleted; `None`: that is not to be known.
    home: Option<String>,
    captures: BTreeMap<String, String>,
}

/// The folders of which must be known whether they are still there: those that lost a file and in which no
/// other sight shows that something is left, and those that lines of a text are in.
pub fn folders(config: &Config, sights: &[Sight]) -> BTreeSet<String> {
    // Where nothing that was deleted goes anywhere, what is not deployed anyway need not be asked about.
    let destroys = config.rules.iter().any(|rule| rule.matcher.deleted && !rule.environments.is_empty());
    let doubtful = sights.iter().filter(|sight| sight.removed || sight.line.is_some());
    let mut folders: BTreeSet<String> = doubtful.flat_map(|sight| homes(config, sight, destroys)).ordered();
    for sight in sights.iter().filter(|sight| !sight.removed && sight.line.is_none()) {
        let parents = sight.path.match_indices('/').filter_map(|(at, _)| sight.path.get(..at));
        for parent in parents {
            folders.remove(parent);
        }
    }
    folders
}

/// The folders that decide which rule a path belongs to: those of the first rule that is about what exists, and of
/// the rules about what was deleted before it.
fn homes(config: &Config, sight: &Sight, destroys: bool) -> Vec<String> {
    let mut homes = Vec::new();
    for rule in &config.rules {
        let Some(reading) = read(rule, sight) else { continue };
        homes.extend(reading.home);
        if !rule.matcher.deleted {
            let matters = destroys || !rule.environments.is_empty();
            return if matters { homes } else { Vec::new() };
        }
    }
    homes
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
        let deleted = reading.home.as_ref().is_some_and(|home| gone.contains(home));
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
            if sight.line.is_none() && found.directory.as_ref() == Some(&sight.path) && !pattern.names_folder() {
                // `x/**` matches `x` too: a folder, or what stands for one, as a submodule does. But beside
                // `{component}/**` any file could be one, and a README beside the components is no component.
                return None;
            }
            let home = home(pattern, &found, sight);
            let folder = found.directory.unwrap_or_else(|| {
                if sight.line.is_none() || pattern.names_files() { parent(&sight.path) } else { sight.path.clone() }
            });
            let capture = |name: &str| found.captures.get(name).cloned();
            Reading {
                component: capture("component").unwrap_or_else(|| folder.clone()),
                stack: capture("stack"),
                folder: Some(folder),
                home,
                captures: found.captures,
            }
        }
        None if sight.line.is_some() && matcher.component.is_some() => {
            Reading { component: sight.path.clone(), stack: None, folder: None, home: None, captures: BTreeMap::new() }
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

/// What is gone when the component was deleted. Of a line it may not be plain whether it is the component's folder,
/// a file inside or a mere name: then it is the folder above, since what is taken for deleted by mistake may get
/// destroyed.
fn home(pattern: &Pattern, found: &Found, sight: &Sight) -> Option<String> {
    let path = &sight.path;
    let home = found.directory.clone().unwrap_or_else(|| match path.rsplit_once('/') {
        Some((_, name)) if sight.line.is_some() && !pattern.names_files() && !name.contains('.') => {
            let inside = found.captures.contains_key("component") && !pattern.captures_last();
            if inside { parent(path) } else { path.clone() }
        }
        _ => parent(path),
    });
    // The root is always there, and `//app:image` is no path.
    (home != ROOT && !home.split('/').any(str::is_empty)).then_some(home)
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
