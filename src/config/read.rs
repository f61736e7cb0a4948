//! From the YAML tree to typed values. Nothing stops at the first mistake.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Config, Environment, FIELDS, Match, NAMES, Pattern, Rule, Settings, Template, check,
    template::{list, nearest},
};
use crate::{
    checks::Check,
    finding::{Finding, Severity, quoted},
    ordered::Ordered,
    plan::{unrendered, workflow_file},
    yaml::{self, Node, Place, Value},
};

/// The keys of the file.
pub const TOP_KEYS: [&str; 7] = ["version", "branches", "workflow", "ref", "inputs", "environments", "rules"];
/// The keys of an environment.
pub const ENVIRONMENT_KEYS: [&str; 1] = ["after"];
/// The keys of a rule.
pub const RULE_KEYS: [&str; 5] = ["match", "environment", "workflow", "inputs", "ref"];
/// The keys of `match`.
pub const MATCH_KEYS: [&str; 5] = ["component", "stack", "path", "type", "deleted"];

/// The version of the file's form that is read here.
const VERSION: &str = "1";

/// Reads the whole file.
pub(super) fn config(file: &str, text: &str) -> Result<Config, Vec<Finding>> {
    let mut reader = Reader::default();
    let mut config = match yaml::read(text) {
        Ok(Node { value: Value::Null, .. }) => Config::default(),
        Ok(node) => reader.top(&node),
        Err((place, what)) => {
            reader.mistakes.push((place, what));
            Config::default()
        }
    };
    config.file = file.to_owned();
    check::after(&config, &mut reader.mistakes);
    if reader.mistakes.is_empty() {
        config.warnings = check::shadows(&config);
        return Ok(config);
    }
    reader.mistakes.sort_unstable();
    Err(reader.mistakes.into_iter().map(|(place, what)| mistake(file, place, what)).collect())
}

fn mistake(file: &str, place: Place, what: String) -> Finding {
    let about = format!("config {}, {place}", quoted(file));
    place.of(Finding::of(Check::Config, Severity::Error, what, "Correct it").about(about), file)
}

#[derive(Default)]
struct Reader {
    mistakes: Vec<(Place, String)>,
}

/// What a template may use beside the names that are always there.
#[derive(Clone, Copy)]
struct Scope<'a> {
    captures: &'a BTreeSet<String>,
    /// The deployment's id is made of environment and workflow, so only inputs can use it.
    id: bool,
}

impl Reader {
    fn mistake(&mut self, place: Place, what: impl Into<String>) {
        self.mistakes.push((place, what.into()));
    }

    fn top(&mut self, node: &Node) -> Config {
        let mut config = Config::default();
        let fields = self.fields(node, "", &TOP_KEYS);
        let none = BTreeSet::new();
        for (name, node) in &fields {
            match *name {
                "version" => self.version(node),
                "branches" => config.branches = Some(self.branches(node)),
                "environments" => config.environments = self.environments(node),
                "rules" => config.rules = self.rules(node),
                _ => {}
            }
        }
        let captures: BTreeSet<String> =
            config.rules.iter().flat_map(|rule| rule.matcher.names()).map(str::to_owned).ordered();
        config.defaults = self.settings(&fields, "", if config.rules.is_empty() { &none } else { &captures });
        config
    }

    fn version(&mut self, node: &Node) {
        match &node.value {
            Value::Number(number) if number == VERSION => {}
            Value::Number(number) => {
                let what =
                    format!("`version` is {number}: this version of the action reads {VERSION}; use a newer one");
                self.mistake(node.place, what);
            }
            _ => self.wrong(node, "version", "the number 1"),
        }
    }

    fn branches(&mut self, node: &Node) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for (text, place) in self.texts(node, "branches", "a branch or a list of branches") {
            if let Some(pattern) = self.pattern(&text, place, "branches", '/') {
                if pattern.names().next().is_some() {
                    self.mistake(place, "`branches` captures a name, which nothing can use: write `*`");
                }
                patterns.push(pattern);
            }
        }
        if patterns.is_empty() && self.mistakes.is_empty() {
            self.mistake(
                node.place,
                "`branches` is empty, so nothing would be deployed: name a branch, or leave it out",
            );
        }
        patterns
    }

    fn environments(&mut self, node: &Node) -> Vec<Environment> {
        let Value::Map(pairs) = &node.value else {
            self.wrong(node, "environments", "a mapping from environments to what is said of them");
            return Vec::new();
        };
        let mut all: Vec<Environment> = Vec::new();
        for (key, node) in pairs {
            let path = format!("environments.{}", key.name);
            if all.iter().any(|known| super::same_environment(&known.name, &key.name)) {
                let what =
                    format!("`{path}` is there before in another spelling; GitHub takes both for one environment");
                self.mistake(key.place, what);
            }
            let mut after = Vec::new();
            if node.value != Value::Null {
                for (_, node) in self.fields(node, &path, &ENVIRONMENT_KEYS) {
                    after = self.texts(node, &format!("{path}.after"), "an environment or a list of environments");
                }
            }
            all.push(Environment { name: key.name.clone(), after });
        }
        all
    }

    fn rules(&mut self, node: &Node) -> Vec<Rule> {
        match &node.value {
            Value::List(list) => list.iter().enumerate().map(|(index, node)| self.rule(node, index)).collect(),
            Value::Null => Vec::new(),
            _ => {
                self.wrong(node, "rules", "a list of rules, each beginning with `-`");
                Vec::new()
            }
        }
    }

    fn rule(&mut self, node: &Node, index: usize) -> Rule {
        let path = format!("rules[{index}]");
        let fields = self.fields(node, &path, &RULE_KEYS);
        let get = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, node)| *node);
        let matcher = match get("match") {
            Some(node) => self.matcher(node, &format!("{path}.match")),
            None if !matches!(node.value, Value::Map(_)) => Match::default(),
            None => {
                self.mistake(
                    node.place,
                    format!("`{path}` has no `match`: say what it is about, such as `match: {{path: \"live/**\"}}`"),
                );
                Match::default()
            }
        };
        let captures: BTreeSet<String> = matcher.names().map(str::to_owned).ordered();
        let environments = match get("environment") {
            Some(node) => self.destination(node, &format!("{path}.environment"), &captures),
            None if !matches!(node.value, Value::Map(_)) => Vec::new(),
            None => {
                self.mistake(node.place, format!("`{path}` has no `environment`: name one or a list, or write `environment: none` for what is not to be deployed"));
                Vec::new()
            }
        };
        let settings = self.settings(&fields, &format!("{path}."), &captures);
        Rule { number: index + 1, place: node.place, matcher, environments, settings }
    }

    fn matcher(&mut self, node: &Node, path: &str) -> Match {
        let mut matcher = Match::default();
        let fields = self.fields(node, path, &MATCH_KEYS);
        let empty = matches!(&node.value, Value::Map(pairs) if pairs.is_empty());
        if empty || node.value == Value::Null {
            self.mistake(node.place, format!("`{path}` is empty: for everything write `match: {{component: \"**\"}}`"));
        }
        for (name, node) in fields {
            let path = format!("{path}.{name}");
            if name == "deleted" {
                match node.value {
                    Value::Bool(deleted) => matcher.deleted = deleted,
                    _ => self.wrong(node, &path, "`true` or `false`"),
                }
                continue;
            }
            let Some(text) = self.text(node, &path, "a pattern") else { continue };
            let separator = if name == "stack" { '-' } else { '/' };
            let Some(pattern) = self.pattern(&text, node.place, &path, separator) else { continue };
            self.reserved(&pattern, node.place, &path, name == "path");
            match name {
                "component" => matcher.component = Some(pattern),
                "stack" => matcher.stack = Some(pattern),
                "path" => matcher.path = Some(pattern),
                _ => matcher.kind = Some(pattern),
            }
        }
        matcher
    }

    /// A capture must not hide a name that means something else.
    fn reserved(&mut self, pattern: &Pattern, place: Place, path: &str, names_component: bool) {
        let free = |name: &str| match name {
            "environment" => true,
            "component" | "stack" => names_component,
            other => !NAMES.contains(&other) && other != "path" && other != "type",
        };
        for name in pattern.names().filter(|name| !free(name)).map(str::to_owned).collect::<Vec<_>>() {
            self.mistake(
                place,
                format!("`{path}` captures `{name}`, which is a name of its own: call the capture otherwise"),
            );
        }
    }

    fn destination(&mut self, node: &Node, path: &str, captures: &BTreeSet<String>) -> Vec<Template> {
        if matches!(&node.value, Value::Text(text) if text == "none") {
            return Vec::new();
        }
        let texts = self.texts(node, path, "an environment, a list of environments, or `none`");
        if texts.is_empty() && matches!(&node.value, Value::List(_)) {
            self.mistake(node.place, format!("`{path}` is an empty list: write `none` for what is not to be deployed"));
        }
        let mut environments = Vec::new();
        for (text, place) in texts {
            if text.eq_ignore_ascii_case("none") {
                self.mistake(
                    place,
                    format!("`{path}` has `{text}`: write `environment: none` alone, and no environment beside it"),
                );
                continue;
            }
            let Some(template) = self.template(&text, place, path, Scope { captures, id: false }) else { continue };
            if let Some(what) = template.text().and_then(unrendered) {
                self.mistake(place, format!("`{path}` is `{text}`, which {what}: no environment has such a name"));
            }
            environments.push(template);
        }
        environments
    }

    fn settings(&mut self, fields: &[(&str, &Node)], path: &str, captures: &BTreeSet<String>) -> Settings {
        let mut settings = Settings::default();
        let scope = Scope { captures, id: false };
        for (name, node) in fields {
            let path = format!("{path}{name}");
            match *name {
                "workflow" => {
                    let Some(text) = self.text(node, &path, "a workflow's file") else { continue };
                    settings.workflow = self.template(&text, node.place, &path, scope);
                    if settings
                        .workflow
                        .as_ref()
                        .and_then(Template::text)
                        .is_some_and(|text| workflow_file(text).is_none())
                    {
                        self.mistake(node.place, format!("`{path}` is `{text}`: name a file in `.github/workflows`, such as `terraform-apply.yml`"));
                    }
                }
                "ref" => {
                    let Some(text) = self.text(node, &path, "a branch or tag") else { continue };
                    settings.git_ref = self.template(&text, node.place, &path, scope);
                }
                "inputs" => settings.inputs = self.inputs(node, &path, captures),
                _ => {}
            }
        }
        settings
    }

    fn inputs(&mut self, node: &Node, path: &str, captures: &BTreeSet<String>) -> BTreeMap<String, Option<Template>> {
        let pairs = match &node.value {
            Value::Map(pairs) => pairs.as_slice(),
            Value::Null => &[],
            _ => {
                self.wrong(node, path, "a mapping from inputs to their values");
                &[]
            }
        };
        let mut inputs = BTreeMap::new();
        for (key, node) in pairs {
            let path = format!("{path}.{}", key.name);
            let template = match &node.value {
                Value::Null => None,
                Value::Bool(value) => Template::parse(&value.to_string()).ok(),
                Value::Number(text) | Value::Text(text) => {
                    self.template(text, node.place, &path, Scope { captures, id: true })
                }
                Value::List(_) | Value::Map(_) => {
                    self.wrong(node, &path, "a text, a number or a truth value");
                    None
                }
            };
            inputs.insert(key.name.clone(), template);
        }
        inputs
    }

    fn template(&mut self, text: &str, place: Place, path: &str, scope: Scope<'_>) -> Option<Template> {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(what) => {
                self.mistake(place, format!("`{path}` {what} (`{text}`)"));
                return None;
            }
        };
        let own = NAMES.into_iter().filter(|name| scope.id || *name != "deployment_id");
        let known: BTreeSet<&str> = own.chain(scope.captures.iter().map(String::as_str)).chain(FIELDS).ordered();
        let unknown: Vec<&str> = template.names().filter(|name| !known.contains(name)).collect();
        for name in unknown {
            let what = if name == "deployment_id" {
                "the id is made of environment and workflow, so only inputs can use it".to_owned()
            } else {
                format!("{}known are {}", nearest(name, known.iter().copied()), list(known.iter()))
            };
            self.mistake(place, format!("`{path}` uses `{name}`, which is no name here: {what}"));
        }
        Some(template)
    }

    fn pattern(&mut self, text: &str, place: Place, path: &str, separator: char) -> Option<Pattern> {
        Pattern::parse(text, separator).map_err(|what| self.mistake(place, format!("`{path}` {what}"))).ok()
    }

    /// One text or a list of texts, with their places.
    fn texts(&mut self, node: &Node, path: &str, accepted: &str) -> Vec<(String, Place)> {
        match &node.value {
            Value::List(list) => list
                .iter()
                .enumerate()
                .filter_map(|(index, node)| Some((self.text(node, &format!("{path}[{index}]"), "a text")?, node.place)))
                .collect(),
            _ => self.text(node, path, accepted).map(|text| (text, node.place)).into_iter().collect(),
        }
    }

    fn text(&mut self, node: &Node, path: &str, accepted: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) if text.trim().is_empty() => {
                self.mistake(node.place, format!("`{path}` is empty: expected is {accepted}"));
                None
            }
            Value::Text(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => {
                self.wrong(node, path, &format!("{accepted}, in quotes"));
                None
            }
            _ => {
                self.wrong(node, path, accepted);
                None
            }
        }
    }

    fn wrong(&mut self, node: &Node, path: &str, accepted: &str) {
        self.mistake(node.place, format!("{} is {}: expected is {accepted}", label(path), node.value.kind()));
    }

    /// The pairs of a mapping whose keys are known; of the others each is a mistake.
    fn fields<'a>(&mut self, node: &'a Node, path: &str, known: &[&'static str]) -> Vec<(&'static str, &'a Node)> {
        let Value::Map(pairs) = &node.value else {
            self.wrong(node, path, &format!("a mapping with the keys {}", list(known.iter())));
            return Vec::new();
        };
        let whole = label(path);
        let mut fields = Vec::new();
        for (key, node) in pairs {
            match known.iter().find(|known| **known == key.name) {
                Some(known) => fields.push((*known, node)),
                None => {
                    let name = key.name.replace('`', "ˋ");
                    let near = nearest(&key.name, known.iter().copied());
                    let what = format!("{whole} has no key `{name}`: {near}known are {}", list(known.iter()));
                    self.mistake(key.place, what);
                }
            }
        }
        fields
    }
}

fn label(path: &str) -> String {
    if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") }
}
