//! The list `atmos describe affected` writes, with the dependents' trees folded back into a graph.
//!
//! A dependents tree repeats a node wherever it is reached, so nodes are merged on component, stack and
//! type (`stack_slug` is not unique), while the list is read: the trees are never held. The upload form has
//! the same items below `stacks`.
//!
//! <https://atmos.tools/cli/commands/describe/affected>

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    Dispatch, Item, Need, Wish,
    value::{Name, Text, Word},
};
use crate::json;

/// Dependents of dependents are read so deep. No real chain is that long, and reading takes stack.
const DEEPEST: usize = 100;

/// Reads the list, dependents included.
pub(super) fn items(text: &str) -> Result<Vec<Item>, String> {
    let mut fold = Fold::default();
    json::read(text, Nodes { fold: &mut fold, depth: 0 })?;
    fold.finish()
}

/// Reads the upload form.
pub(super) fn upload(text: &str) -> Result<Vec<Item>, String> {
    let mut fold = Fold::default();
    if !json::read(text, Upload(&mut fold))? {
        return Err("is a JSON object without `stacks`: expected is an array of objects with `component`, as \
                    `atmos describe affected` writes it"
            .to_owned());
    }
    fold.finish()
}

struct Upload<'f, 'de>(&'f mut Fold<'de>);

impl<'de> DeserializeSeed<'de> for Upload<'_, 'de> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Upload<'_, 'de> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `stacks`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if key.0 == "stacks" {
                map.next_value_seed(Nodes { fold: self.0, depth: 0 })?;
                found = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// An array of nodes; `null` is an empty one. Gives the items they became.
struct Nodes<'f, 'de> {
    fold: &'f mut Fold<'de>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Nodes<'_, 'de> {
    type Value = Vec<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<usize>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nodes<'_, 'de> {
    type Value = Vec<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of objects with `component`")
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<usize>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<usize>, A::Error> {
        let mut found = Vec::new();
        while let Some(index) = list.next_element_seed(Node { fold: self.fold, depth: self.depth })? {
            found.push(index);
        }
        Ok(found)
    }
}

/// One node. Gives the item it became.
struct Node<'f, 'de> {
    fold: &'f mut Fold<'de>,
    depth: usize,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Component,
    Stack,
    ComponentType,
    ComponentPath,
    Settings,
    Dependents,
    Deleted,
    Namespace,
    Tenant,
    Environment,
    Stage,
    #[serde(other)]
    Other,
}

/// What is used of a node.
#[derive(Default)]
struct Sight<'de> {
    component: Option<Name<'de>>,
    stack: Word<'de>,
    kind: Word<'de>,
    path: Word<'de>,
    settings: Option<Settings>,
    deleted: bool,
    fields: [(&'static str, Word<'de>); 4],
}

impl<'de> DeserializeSeed<'de> for Node<'_, 'de> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, 'de> {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `component`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        if self.depth > DEEPEST {
            return Err(A::Error::custom(format!(
                "dependents lie more than {DEEPEST} deep in one another, which is more than is read here: list deeper \
                 ones at the top of the list, each with its own dependents"
            )));
        }
        let turn = self.fold.turn();
        let mut sight = Sight::default();
        let mut dependents = Vec::new();
        while let Some(key) = map.next_key()? {
            let [namespace, tenant, environment, stage] = &mut sight.fields;
            match key {
                Key::Component => sight.component = Some(map.next_value()?),
                Key::Stack => sight.stack = map.next_value()?,
                Key::ComponentType => sight.kind = map.next_value()?,
                Key::ComponentPath => sight.path = map.next_value()?,
                Key::Settings => sight.settings = map.next_value()?,
                Key::Dependents => {
                    dependents.extend(map.next_value_seed(Nodes { fold: self.fold, depth: self.depth + 1 })?);
                }
                Key::Deleted => sight.deleted = map.next_value::<Option<bool>>()? == Some(true),
                Key::Namespace => *namespace = ("namespace", map.next_value()?),
                Key::Tenant => *tenant = ("tenant", map.next_value()?),
                Key::Environment => *environment = ("environment", map.next_value()?),
                Key::Stage => *stage = ("stage", map.next_value()?),
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let index = self.fold.see(sight, turn).map_err(|refusal| match refusal {
            Refusal::Nameless => A::Error::missing_field("component"),
            Refusal::Contradiction(what) => A::Error::custom(what),
        })?;
        self.fold.edges.extend(dependents.into_iter().map(|dependent| (dependent, index)));
        Ok(index)
    }
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Settings {
    #[serde(default)]
    pro: Option<Pro>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Pro {
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    pull_request: Option<PullRequest>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct PullRequest {
    #[serde(default)]
    merged: Option<Merged>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Merged {
    #[serde(default)]
    workflows: Option<Workflows>,
}

/// By their files.
type Workflows = BTreeMap<String, Option<Workflow>>;

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Workflow {
    #[serde(default)]
    inputs: Option<super::value::Inputs>,
}

/// What makes two nodes one component: component, stack, type.
type Identity<'de> = (Cow<'de, str>, Option<Cow<'de, str>>, Option<Cow<'de, str>>);

/// The graph as far as it was read.
#[derive(Default)]
struct Fold<'de> {
    items: Vec<Item>,
    /// When each item was first seen: a node is known only after its dependents, and goes before them.
    turns: Vec<usize>,
    index: HashMap<Identity<'de>, usize>,
    /// Dependents and what they need.
    edges: HashSet<(usize, usize)>,
    turn: usize,
}

/// Why a node is refused.
enum Refusal {
    Nameless,
    Contradiction(String),
}

impl<'de> Fold<'de> {
    fn turn(&mut self) -> usize {
        self.turn += 1;
        self.turn
    }

    /// Takes a node in; one that was seen before tells what is still unknown.
    fn see(&mut self, sight: Sight<'de>, turn: usize) -> Result<usize, Refusal> {
        let Sight { component: Some(Name(component)), stack, kind, path, settings, deleted, fields } = sight else {
            return Err(Refusal::Nameless);
        };
        let wish = wish(settings).map_err(Refusal::Contradiction)?;
        let identity = (component, stack.0, kind.0);
        let index = match self.index.get(&identity) {
            Some(index) => *index,
            None => {
                let owned = |text: &Cow<'de, str>| text.clone().into_owned();
                self.items.push(Item {
                    component: owned(&identity.0),
                    stack: identity.1.as_ref().map(owned),
                    kind: identity.2.as_ref().map(owned),
                    ..Item::default()
                });
                self.turns.push(turn);
                self.index.insert(identity, self.items.len() - 1);
                self.items.len() - 1
            }
        };
        if let (Some(item), Some(first)) = (self.items.get_mut(index), self.turns.get_mut(index)) {
            *first = turn.min(*first);
            let fields = fields.into_iter().filter_map(|(name, Word(value))| Some((name, value?)));
            add(item, Known { path: path.0, deleted, wish }, fields).map_err(Refusal::Contradiction)?;
        }
        Ok(index)
    }

    /// The items in the order in which they were first seen, with their needs.
    fn finish(self) -> Result<Vec<Item>, String> {
        let same = typed(&self.items);
        let stands_for = |index: usize| same.get(index).copied().unwrap_or(index);
        let mut order: Vec<usize> = (0..self.items.len()).filter(|index| stands_for(*index) == *index).collect();
        order.sort_by_key(|index| self.turns.get(*index));
        let place: HashMap<usize, usize> = order.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let place_of = |index: usize| place.get(&stands_for(index)).copied();
        let mut sorted: Vec<Option<Item>> = order.iter().map(|_| None).collect();
        let mut others = Vec::new();
        for (index, item) in self.items.into_iter().enumerate() {
            let target = place_of(index);
            match target.and_then(|place| sorted.get_mut(place)) {
                Some(slot) if stands_for(index) == index => *slot = Some(item),
                _ => others.push((target, item)),
            }
        }
        for (target, other) in others {
            if let Some(Some(item)) = target.and_then(|place| sorted.get_mut(place)) {
                let Item { path, deleted, wish, fields, .. } = other;
                let fields = fields.into_iter().map(|(name, value)| (name, Cow::Owned(value)));
                add(item, Known { path: path.map(Cow::Owned), deleted, wish }, fields)?;
            }
        }
        for (dependent, needed) in self.edges {
            if let (Some(dependent), Some(needed)) = (place_of(dependent), place_of(needed))
                && let Some(Some(item)) = sorted.get_mut(dependent)
            {
                item.needs.push(Need::item(needed));
            }
        }
        let settle = |mut item: Item| {
            item.needs.sort_unstable();
            item.needs.dedup();
            item
        };
        Ok(sorted.into_iter().flatten().map(settle).collect())
    }
}

/// Which item each one is. A node whose type was left out is the typed one, where just one has its component
/// and stack: two deployments of one component would be worse than a guess that has a single reading.
fn typed(items: &[Item]) -> Vec<usize> {
    let mut typed: HashMap<(&str, Option<&str>), Vec<usize>> = HashMap::new();
    for (index, item) in items.iter().enumerate().filter(|(_, item)| item.kind.is_some()) {
        typed.entry((&item.component, item.stack.as_deref())).or_default().push(index);
    }
    let same = |(index, item): (usize, &Item)| match typed.get(&(item.component.as_str(), item.stack.as_deref())) {
        Some(found) if item.kind.is_none() && found.len() == 1 => found.first().copied().unwrap_or(index),
        _ => index,
    };
    items.iter().enumerate().map(same).collect()
}

/// What a sight of a node knows, beside its context fields.
struct Known<'de> {
    path: Option<Cow<'de, str>>,
    deleted: bool,
    wish: Wish,
}

/// Adds what another sight of a node knows. Two that contradict in settings or context, which decide where it is
/// deployed, are refused: it must not be the list's order that chooses. Of two paths the first stays.
fn add<'de, N: AsRef<str> + Into<String>>(
    item: &mut Item,
    known: Known<'de>,
    fields: impl Iterator<Item = (N, Cow<'de, str>)>,
) -> Result<(), String> {
    let contradiction = |item: &Item, what: &str| {
        format!(
            "{} is listed before with other `{what}`, so which of them holds cannot be told: list it once, or with the \
             same",
            item.name()
        )
    };
    item.deleted |= known.deleted;
    if item.path.is_none() {
        item.path = known.path.map(Cow::into_owned);
    }
    for (name, value) in fields {
        match item.fields.get(name.as_ref()) {
            Some(before) if *before == value => {}
            Some(_) => return Err(contradiction(item, name.as_ref())),
            None => drop(item.fields.insert(name.into(), value.into_owned())),
        }
    }
    match known.wish {
        Wish::Silent => {}
        wish if item.wish == Wish::Silent => item.wish = wish,
        wish if wish == item.wish => {}
        _ => return Err(contradiction(item, "settings.pro")),
    }
    Ok(())
}

/// What `settings.pro` says of a merge.
/// <https://atmos-pro.com/docs/configure/atmos-stacks>
fn wish(settings: Option<Settings>) -> Result<Wish, String> {
    let Some(pro) = settings.and_then(|settings| settings.pro) else {
        return Ok(Wish::Silent);
    };
    if pro.enabled == Some(false) {
        return Ok(Wish::Skip("settings.pro.enabled is false".to_owned()));
    }
    let Some(merged) = pro.pull_request.and_then(|pull_request| pull_request.merged) else {
        return Ok(Wish::Skip("settings.pro has no pull_request.merged".to_owned()));
    };
    let dispatches: Vec<Dispatch> = merged
        .workflows
        .into_iter()
        .flatten()
        .map(|(workflow, settings)| {
            let inputs = settings.and_then(|settings| settings.inputs).unwrap_or_default();
            Dispatch { workflow, inputs: inputs.0 }
        })
        .collect();
    if dispatches.iter().any(|dispatch| dispatch.workflow.trim().is_empty()) {
        return Err("its `settings.pro.pull_request.merged.workflows` has a key without a name: write the workflow's \
                    file there"
            .to_owned());
    }
    if dispatches.is_empty() {
        return Ok(Wish::Skip("settings.pro.pull_request.merged lists no workflow".to_owned()));
    }
    Ok(Wish::Dispatch(dispatches))
}
