//! The list `atmos describe affected` writes, with the dependents' trees folded back into a graph.
//!
//! A dependents tree repeats a node wherever it is reached, so nodes are merged on component, stack and
//! type (`stack_slug` is not unique). The upload form has the same items below `stacks`.
//!
//! <https://atmos.tools/cli/commands/describe/affected>

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Dispatch, Item, Need, Wish};

#[derive(Debug, Deserialize)]
struct Node {
    component: String,
    #[serde(default)]
    stack: Option<String>,
    #[serde(default)]
    component_type: Option<String>,
    #[serde(default)]
    component_path: Option<String>,
    #[serde(default)]
    settings: Option<Settings>,
    #[serde(default)]
    dependents: Option<Vec<Node>>,
    #[serde(default)]
    deleted: Option<bool>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default)]
    stage: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(default)]
    pro: Option<Pro>,
}

#[derive(Debug, Deserialize)]
struct Pro {
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    pull_request: Option<PullRequest>,
}

#[derive(Debug, Deserialize)]
struct PullRequest {
    #[serde(default)]
    merged: Option<Merged>,
}

#[derive(Debug, Deserialize)]
struct Merged {
    #[serde(default)]
    workflows: Option<BTreeMap<String, Option<Workflow>>>,
}

#[derive(Debug, Deserialize)]
struct Workflow {
    #[serde(default)]
    inputs: Option<Map<String, Value>>,
}

/// What makes two nodes one component: component, stack, type.
type Key = (String, Option<String>, Option<String>);

/// Turns the parsed document into items, dependents included.
pub(super) fn items(document: Value) -> Result<Vec<Item>, String> {
    let (list, prefix) = match document {
        Value::Object(mut upload) => match upload.remove("stacks") {
            Some(Value::Null) => (Value::Array(Vec::new()), "stacks"),
            Some(stacks) => (stacks, "stacks"),
            None => {
                return Err("is a JSON object without `stacks`: expected is an array of objects with `component`, \
                                as `atmos describe affected` writes it"
                    .to_owned());
            }
        },
        other => (other, ""),
    };
    let nodes: Vec<Node> = serde_path_to_error::deserialize(list)
        .map_err(|error| format!("at `{prefix}{}`: {}", error.path(), error.inner()))?;
    let mut fold = Fold::default();
    for (index, node) in nodes.into_iter().enumerate() {
        fold.node(node, None, &format!("{prefix}[{index}]"))?;
    }
    Ok(fold.finish())
}

#[derive(Default)]
struct Fold {
    items: Vec<Item>,
    index: HashMap<Key, usize>,
}

impl Fold {
    fn node(&mut self, node: Node, parent: Option<usize>, place: &str) -> Result<(), String> {
        if node.component.trim().is_empty() {
            return Err(format!("at `{place}.component`: is empty"));
        }
        let Node { dependents, settings, .. } = &node;
        let wish = wish(settings.as_ref(), place)?;
        let key = (node.component.clone(), given(&node.stack), given(&node.component_type));
        let index = match self.index.get(&key) {
            Some(&index) => index,
            None => {
                self.items.push(item(&key, &node));
                self.index.insert(key, self.items.len() - 1);
                self.items.len() - 1
            }
        };
        let children = dependents.is_some();
        if let Some(item) = self.items.get_mut(index) {
            merge(item, wish, &node, place)?;
            if let Some(parent) = parent.map(Need::item).filter(|parent| !item.needs.contains(parent)) {
                item.needs.push(parent);
            }
        }
        if children {
            for (child, dependent) in node.dependents.into_iter().flatten().enumerate() {
                self.node(dependent, Some(index), &format!("{place}.dependents[{child}]"))?;
            }
        }
        Ok(())
    }

    /// A node whose type was left out is the typed one, where just one has its component and stack:
    /// two deployments of one component would be worse than a guess that has a single reading.
    fn finish(self) -> Vec<Item> {
        let mut typed: HashMap<(&str, Option<&str>), Vec<usize>> = HashMap::new();
        for (index, item) in self.items.iter().enumerate().filter(|(_, item)| item.kind.is_some()) {
            typed.entry((&item.component, item.stack.as_deref())).or_default().push(index);
        }
        let same: Vec<Option<usize>> = self
            .items
            .iter()
            .map(|item| match typed.get(&(item.component.as_str(), item.stack.as_deref())) {
                Some(found) if item.kind.is_none() => found.first().copied().filter(|_| found.len() == 1),
                _ => None,
            })
            .collect();
        drop(typed);
        replace(self.items, &same)
    }
}

/// Drops the items that are another one (`same`), handing their needs and wish to it.
fn replace(items: Vec<Item>, same: &[Option<usize>]) -> Vec<Item> {
    if same.iter().all(Option::is_none) {
        return items;
    }
    let stands_for = |index: usize| same.get(index).copied().flatten().unwrap_or(index);
    let mut kept: Vec<(usize, Item)> = Vec::new();
    let mut dropped: Vec<(usize, Item)> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        if stands_for(index) == index { kept.push((index, item)) } else { dropped.push((stands_for(index), item)) }
    }
    for (target, item) in dropped {
        if let Some((_, kept)) = kept.iter_mut().find(|(index, _)| *index == target) {
            kept.needs.extend(item.needs);
            if kept.wish == Wish::Silent {
                kept.wish = item.wish;
            }
        }
    }
    let place: HashMap<usize, usize> = kept.iter().enumerate().map(|(new, (old, _))| (*old, new)).collect();
    kept.into_iter()
        .map(|(_, mut item)| {
            item.needs = item
                .needs
                .iter()
                .flat_map(Need::items)
                .filter_map(|old| place.get(&stands_for(*old)).copied().map(Need::item))
                .collect();
            item.needs.sort_unstable();
            item.needs.dedup();
            item
        })
        .collect()
}

fn item(key: &Key, node: &Node) -> Item {
    let fields = [
        ("namespace", &node.namespace),
        ("tenant", &node.tenant),
        ("environment", &node.environment),
        ("stage", &node.stage),
    ];
    Item {
        component: key.0.clone(),
        stack: key.1.clone(),
        kind: key.2.clone(),
        path: given(&node.component_path),
        deleted: node.deleted == Some(true),
        fields: fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), given(value)?))).collect(),
        ..Item::default()
    }
}

/// Adds what a further sight of the same node tells; two sights that contradict are refused.
fn merge(item: &mut Item, wish: Wish, node: &Node, place: &str) -> Result<(), String> {
    item.deleted |= node.deleted == Some(true);
    if item.path.is_none() {
        item.path = given(&node.component_path);
    }
    if wish == Wish::Silent || wish == item.wish {
        return Ok(());
    }
    if item.wish == Wish::Silent {
        item.wish = wish;
        return Ok(());
    }
    Err(format!(
        "at `{place}.settings.pro`: {} is listed before with other settings; which of them holds cannot be told",
        item.name()
    ))
}

/// What `settings.pro` says of a merge.
/// <https://atmos-pro.com/docs/configure/atmos-stacks>
fn wish(settings: Option<&Settings>, place: &str) -> Result<Wish, String> {
    let Some(pro) = settings.and_then(|settings| settings.pro.as_ref()) else {
        return Ok(Wish::Silent);
    };
    if pro.enabled == Some(false) {
        return Ok(Wish::Skip("settings.pro.enabled is false".to_owned()));
    }
    let merged = pro.pull_request.as_ref().and_then(|pull_request| pull_request.merged.as_ref());
    let Some(merged) = merged else {
        return Ok(Wish::Skip("settings.pro has no pull_request.merged".to_owned()));
    };
    let workflows = merged.workflows.iter().flatten();
    let dispatches: Vec<Dispatch> = workflows
        .map(|(workflow, settings)| {
            let inputs = settings.iter().filter_map(|settings| settings.inputs.as_ref()).flatten();
            Dispatch {
                workflow: workflow.clone(),
                inputs: inputs.map(|(name, value)| (name.clone(), text(value))).collect(),
            }
        })
        .collect();
    if let Some(unnamed) = dispatches.iter().find(|dispatch| dispatch.workflow.trim().is_empty()) {
        return Err(format!(
            "at `{place}.settings.pro.pull_request.merged.workflows`: `{}` is no workflow file",
            unnamed.workflow
        ));
    }
    if dispatches.is_empty() {
        return Ok(Wish::Skip("settings.pro.pull_request.merged lists no workflow".to_owned()));
    }
    Ok(Wish::Dispatch(dispatches))
}

/// Workflow inputs are strings: a string as it is, null as nothing, the rest as JSON writes it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The upload form has "" in the fields it strips.
fn given(field: &Option<String>) -> Option<String> {
    field.clone().filter(|text| !text.is_empty())
}
