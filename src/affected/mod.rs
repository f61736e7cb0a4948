//! What is affected: whichever tool's list it comes from, it becomes [`Item`]s here.
//!
//! A list is recognised by its content. Reading does no request and decides no environment: that is `plan`'s.

mod atmos;

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::finding::quoted;

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
}

/// A workflow with its inputs, as a list wants it dispatched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The workflow's file.
    pub workflow: String,
    /// Its inputs; values that were no strings are written as JSON writes them.
    pub inputs: BTreeMap<String, String>,
}

/// What an item needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Another item of the list, by its index.
    Item(usize),
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

/// Larger lists are refused: such a file is a mistake, and it must not take the runner's memory.
pub const LARGEST: u64 = 32 * 1024 * 1024;

/// Reads the list in `file` (the input `affected`), which must lie inside `workspace`.
///
/// # Errors
/// One sentence that names the file, the place in it where there is one, and the remedy.
pub fn read(workspace: &Path, file: &str) -> Result<Vec<Item>, String> {
    let path = inside(workspace, file).map_err(|what| format!("input `affected`: file `{file}` {what}"))?;
    let text = slurp(&path).map_err(|what| format!("input `affected`: file `{file}` {what}"))?;
    parse(&text).map_err(|what| format!("input `affected`: file `{file}`: {what}"))
}

/// Reads a list from its text.
///
/// # Errors
/// What is wrong and where, without the file's name.
pub fn parse(text: &str) -> Result<Vec<Item>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().starts_with(['[', '{']) {
        return Err(
            "is no list of affected components: expected is the JSON array that `atmos describe affected` writes"
                .to_owned(),
        );
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    atmos::items(value)
}

/// The real path of `file`, refused when it leaves the workspace, through `..` or a link too.
fn inside(workspace: &Path, file: &str) -> Result<PathBuf, String> {
    if Path::new(file).is_absolute() {
        return Err("is an absolute path: name it relative to the workspace".to_owned());
    }
    let root = workspace
        .canonicalize()
        .map_err(|error| format!("cannot be looked for: the workspace `{}`: {error}", workspace.display()))?;
    let path = root.join(file).canonicalize().map_err(|error| {
        format!(
            "cannot be read: {error}; it is looked for in the workspace, so the step that writes it must come before"
        )
    })?;
    if path.starts_with(&root) { Ok(path) } else { Err("lies outside the workspace: write it inside".to_owned()) }
}

fn slurp(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > LARGEST {
        return Err("is larger than 32 MiB: leave out what is not needed (for Atmos, `--include-settings` of \
                    other products) or split the rollout"
            .to_owned());
    }
    String::from_utf8(bytes)
        .map_err(|error| format!("is not UTF-8: byte {} begins no character", error.utf8_error().valid_up_to()))
}
