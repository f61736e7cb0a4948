//! What is affected: whichever tool's list it comes from, it becomes [`Item`]s here.
//!
//! A list is recognised by its content. Reading does no request and decides no environment: that is `plan`'s.

mod atmos;
mod list;
mod paths;
mod text;
mod value;

use std::collections::BTreeMap;

use serde_json::Value;

pub use self::{
    paths::{Mapped, Sight, folders, map},
    text::Line,
};
use crate::finding::quoted;

/// An affected list, as its tool wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum List {
    /// Components.
    Items(Vec<Item>),
    /// Paths or names, which only rules make components of.
    Lines(Vec<Line>),
}

/// One affected component, in one stack if the tool knows stacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// What is deployed.
    pub component: String,
    /// The stack, where the tool has such a thing.
    pub stack: Option<String>,
    /// The tool's type of component, such as `terraform`.
    pub kind: Option<String>,
    /// The component's folder.
    pub path: Option<String>,
    /// The component was deleted by the pull request.
    pub deleted: bool,
    /// The item's other fields (`namespace`, `tenant`, `environment`, `stage`), for templates.
    pub fields: BTreeMap<String, String>,
    /// How the list itself wants the item to be deployed.
    pub wish: Wish,
    /// The rule that made an item of a path; other items are matched when the plan is made.
    pub chosen: Option<Chosen>,
    /// What must have succeeded before.
    pub needs: Vec<Need>,
}

/// How a list wants an item to be deployed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Wish {
    /// It says nothing: a rule must.
    #[default]
    Silent,
    /// It says not to, and why.
    Skip(String),
    /// By these workflows (`settings.pro.pull_request.merged.workflows`).
    Dispatch(Vec<Dispatch>),
    /// As an item of a plain list says.
    Own(Own),
}

/// A workflow with its inputs, as a list wants it dispatched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The workflow's file.
    pub workflow: String,
    /// Its inputs; values that were no strings are written as JSON writes them.
    pub inputs: BTreeMap<String, String>,
}

/// What an item of a plain list says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Own {
    /// The GitHub environment.
    pub environment: Option<String>,
    /// The workflow's file.
    pub workflow: Option<String>,
    /// The workflow's inputs.
    pub inputs: BTreeMap<String, String>,
}

/// What an item needs: other items of the list, by their indices. It means their deployments in the same
/// environment, else all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need(Vec<usize>);

impl Need {
    /// One item.
    pub fn item(index: usize) -> Self {
        Self(vec![index])
    }

    /// Several that one name stands for.
    pub fn items_of(indices: Vec<usize>) -> Self {
        Self(indices)
    }

    /// The items.
    pub fn items(&self) -> &[usize] {
        &self.0
    }
}

/// The rule that made an item of a path, and what its patterns captured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Chosen {
    /// The rule's index.
    pub rule: usize,
    /// The captures.
    pub captures: BTreeMap<String, String>,
}

impl Item {
    /// How messages name it: `vpc` or `vpc in plat-use2-dev`.
    pub fn name(&self) -> String {
        match &self.stack {
            Some(stack) => format!("{} in {}", quoted(&self.component), quoted(stack)),
            None => quoted(&self.component),
        }
    }
}

/// Reads a list from its text.
///
/// # Errors
/// What is wrong and where, without the file's name.
pub fn parse(text: &str) -> Result<List, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let begin = text.trim_start();
    if !begin.starts_with(['[', '{']) || text::begins_with_brackets(begin) {
        if let Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) = serde_json::from_str(begin) {
            return Err(format!("is {value}, which is JSON and no list: it must be an array of objects, or text"));
        }
        return text::lines(text).map(List::Lines);
    }
    let items = if begin.starts_with('{') {
        atmos::upload(text)
    } else if list::is_plain(text)? {
        list::items(text)
    } else {
        atmos::items(text)
    };
    items.map(List::Items)
}

#[cfg(test)]
mod tests;
