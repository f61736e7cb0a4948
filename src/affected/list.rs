//! The plain JSON list, for every tool that is not Atmos: `component` and whatever else is known of it.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::{Item, Need, Own, Wish};
use crate::{config::nearest, finding::quoted};

/// The keys of an item.
pub const KEYS: [&str; 7] = ["component", "stack", "environment", "workflow", "inputs", "needs", "path"];

/// Keys only a plain list has.
const PLAIN: [&str; 4] = ["workflow", "inputs", "needs", "path"];

/// Keys only Atmos writes. `environment` is none of them: it is a context field there.
const ATMOS: [&str; 16] = [
    "component_type",
    "component_path",
    "stack_slug",
    "affected",
    "affected_all",
    "settings",
    "dependents",
    "dependencies",
    "included_in_dependents",
    "deleted",
    "deletion_type",
    "namespace",
    "tenant",
    "stage",
    "spacelift_stack",
    "atlantis_project",
];

/// Whether an array is a plain list, by what its items carry.
pub(super) fn is_plain(items: &[Value]) -> Result<bool, String> {
    let first = |keys: &[&'static str]| {
        items.iter().enumerate().find_map(|(index, item)| {
            let key = keys.iter().find(|key| item.get(**key).is_some())?;
            Some((index, *key))
        })
    };
    match (first(&ATMOS), first(&PLAIN)) {
        (Some((atmos, key)), Some((plain, other))) => Err(format!(
            "at `[{atmos}].{key}`: is what Atmos writes, and `[{plain}].{other}` is of a plain list: give each its own use \
             of the action, with a `comment-key`"
        )),
        (atmos, _) => Ok(atmos.is_none()),
    }
}

/// Turns the array into items.
pub(super) fn items(list: Vec<Value>) -> Result<Vec<Item>, String> {
    let mut items = Vec::with_capacity(list.len());
    let mut needs = Vec::with_capacity(list.len());
    for (index, value) in list.into_iter().enumerate() {
        let (item, names) = item(value, index)?;
        items.push(item);
        needs.push(names);
    }
    resolve(&mut items, &needs)?;
    Ok(items)
}

fn item(value: Value, index: usize) -> Result<(Item, Vec<String>), String> {
    let Value::Object(mut object) = value else {
        return Err(format!("at `[{index}]`: {} stands where an object with `component` is expected", kind(&value)));
    };
    if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let near = nearest(key, KEYS.into_iter());
        return Err(format!("at `[{index}]`: unknown key {}: {near}known are `{}`", quoted(key), KEYS.join("`, `")));
    }
    if !object.contains_key("component") {
        return Err(format!("at `[{index}]`: missing field `component`"));
    }
    let component =
        text(&mut object, "component", index)?.ok_or_else(|| format!("at `[{index}].component`: is empty"))?;
    let stack = text(&mut object, "stack", index)?;
    let path = text(&mut object, "path", index)?;
    if let Some(what) = path.as_deref().and_then(outside) {
        return Err(format!("at `[{index}].path`: {what}: name it relative to the repository's root"));
    }
    let own = Own {
        environment: text(&mut object, "environment", index)?,
        workflow: text(&mut object, "workflow", index)?,
        inputs: inputs(object.remove("inputs"), index)?,
    };
    let needs = names(object.remove("needs"), index)?;
    let fields = own.environment.iter().map(|name| ("environment".to_owned(), name.clone())).collect();
    Ok((Item { component, stack, path, fields, wish: Wish::Own(own), ..Item::default() }, needs))
}

fn outside(path: &str) -> Option<&'static str> {
    if path.starts_with('/') {
        Some("is an absolute path")
    } else {
        path.split(['/', '\\']).any(|segment| segment == "..").then_some("has a segment `..`")
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn text(object: &mut Map<String, Value>, key: &str, index: usize) -> Result<Option<String>, String> {
    match object.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            Err(format!("at `[{index}].{key}`: has a control character"))
        }
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
        Some(other) => Err(format!("at `[{index}].{key}`: {}, expected a string", kind(&other))),
    }
}

fn inputs(value: Option<Value>, index: usize) -> Result<BTreeMap<String, String>, String> {
    match value {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(object)) => {
            Ok(object.iter().map(|(name, value)| (name.clone(), super::atmos::text(value))).collect())
        }
        Some(other) => Err(format!("at `[{index}].inputs`: {}, expected an object", kind(&other))),
    }
}

fn names(value: Option<Value>, index: usize) -> Result<Vec<String>, String> {
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(format!("at `[{index}].needs`: {}, expected an array of strings", kind(&other))),
    };
    list.into_iter()
        .enumerate()
        .map(|(place, need)| match need {
            Value::String(name) => Ok(name),
            other => Err(format!("at `[{index}].needs[{place}]`: {}, expected a string", kind(&other))),
        })
        .collect()
}

/// Finds the items that needs name: an exact component first, else `component/stack`.
fn resolve(items: &mut [Item], needs: &[Vec<String>]) -> Result<(), String> {
    let mut by_component: HashMap<String, Vec<usize>> = HashMap::new();
    let mut by_both: HashMap<(String, String), Vec<usize>> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        by_component.entry(item.component.clone()).or_default().push(index);
        if let Some(stack) = &item.stack {
            by_both.entry((item.component.clone(), stack.clone())).or_default().push(index);
        }
    }
    for (index, (item, names)) in items.iter_mut().zip(needs).enumerate() {
        for (place, name) in names.iter().enumerate() {
            let exact = by_component.get(name);
            let split = name
                .rsplit_once('/')
                .and_then(|(component, stack)| by_both.get(&(component.to_owned(), stack.to_owned())));
            let refuse = |what: &str| format!("at `[{index}].needs[{place}]`: {} {what}", quoted(name));
            let need = match (exact, split) {
                (Some(_), Some(_)) => {
                    return Err(refuse(
                        "is a component of the list, and the component before its last `/` in the stack behind it too: \
                         rename one, so that it has one reading",
                    ));
                }
                (Some(found), None) | (None, Some(found)) => Need::items_of(found.clone()),
                (None, None) => {
                    return Err(refuse(
                        "is no component of the list, and no `component/stack` of it: list it too, or take it out of `needs`",
                    ));
                }
            };
            if !item.needs.contains(&need) {
                item.needs.push(need);
            }
        }
    }
    Ok(())
}
