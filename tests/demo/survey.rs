//! What a list of components and a config name: the environments and workflows that should exist.
//!
//! It reads leniently, since to judge these files is the action's business. What it does not understand it
//! passes over, and the action then says what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Everything that was named.
#[derive(Debug, Default)]
pub struct Survey {
    pub components: BTreeSet<String>,
    pub environments: BTreeSet<String>,
    workflows: BTreeMap<String, Wanted>,
    stacks: BTreeSet<String>,
    paths: BTreeSet<String>,
}

/// What is wanted of one workflow file.
#[derive(Debug, Default)]
struct Wanted {
    /// Names with a value that was seen.
    inputs: BTreeMap<String, String>,
    environments: BTreeSet<String>,
}

impl Survey {
    /// Looks at a list (JSON, or a path or name a line), a config, and the paths of changed files.
    pub fn of(list: Option<&str>, config: Option<&str>, changed: &[String]) -> Self {
        let mut survey = Self::default();
        survey.paths.extend(changed.iter().cloned());
        match list.map(|list| (list, serde_json::from_str::<Value>(list))) {
            Some((_, Ok(list))) => survey.walk(&list),
            Some((lines, Err(_))) => survey.paths.extend(lines.lines().map(|line| line.trim().to_owned())),
            None => {}
        }
        if let Some(Ok(config)) = config.map(serde_saphyr::from_str::<Value>) {
            survey.config(&config);
        }
        survey
    }

    /// Visits every object of a list, however deep.
    fn walk(&mut self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.walk(value)),
            Value::Object(object) => {
                if let Some(component) = text(object, "component") {
                    self.component(component, object);
                }
                object.values().for_each(|value| self.walk(value));
            }
            _ => {}
        }
    }

    fn component(&mut self, component: &str, object: &Map<String, Value>) {
        // The inputs of a workflow have a `component` too: they are no component, and harmless here.
        self.components.insert(component.to_owned());
        self.stacks.extend(text(object, "stack").map(str::to_owned));
        self.paths.extend(["component_path", "path"].iter().filter_map(|key| text(object, key)).map(str::to_owned));
        let atmos = ["component_type", "stack_slug", "settings"].iter().any(|key| object.contains_key(*key));
        let settings =
            object.get("settings").and_then(|settings| settings.pointer("/pro/pull_request/merged/workflows"));
        for (file, workflow) in settings.and_then(Value::as_object).into_iter().flatten() {
            self.wanted(file, &workflow["inputs"], None);
        }
        if !atmos {
            let environment = text(object, "environment");
            self.environments.extend(environment.filter(|name| is_usable(name)).map(str::to_owned));
            if let Some(file) = text(object, "workflow") {
                self.wanted(file, object.get("inputs").unwrap_or(&Value::Null), environment);
            }
        }
    }

    /// A workflow is to be dispatched with these inputs.
    fn wanted(&mut self, file: &str, inputs: &Value, environment: Option<&str>) {
        let file = file.strip_prefix(".github/workflows/").unwrap_or(file);
        let wanted = self.workflows.entry(file.to_owned()).or_default();
        for (name, value) in inputs.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            wanted.inputs.entry(name.clone()).or_insert(value);
        }
        let named = ["github_environment", "environment"].iter().find_map(|name| inputs[name].as_str());
        for environment in named.or(environment).into_iter().filter(|name| is_usable(name)) {
            wanted.environments.insert(environment.to_owned());
            self.environments.insert(environment.to_owned());
        }
    }

    fn config(&mut self, config: &Value) {
        let default = config["workflow"].as_str();
        let none = Vec::new();
        let rules = config["rules"].as_array().unwrap_or(&none);
        for rule in rules {
            let environments = match &rule["environment"] {
                Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
                one => one.as_str().map_or_else(Vec::new, |one| vec![one]),
            };
            let named: Vec<String> =
                environments.into_iter().flat_map(|name| self.named(name, &rule["match"])).collect();
            self.environments.extend(named);
            if let Some(file) = rule["workflow"].as_str().or(default) {
                self.wanted(file, &config["inputs"], None);
                self.wanted(file, &rule["inputs"], None);
            }
        }
        if let Some(file) = default {
            self.wanted(file, &config["inputs"], None);
        }
        for (environment, rule) in config["environments"].as_object().into_iter().flatten() {
            let after = rule["after"].as_array().into_iter().flatten().filter_map(Value::as_str);
            self.environments.extend(after.chain([environment.as_str()]).map(str::to_owned));
        }
    }

    /// The environments a rule's word stands for: itself, or what its one capture catches.
    fn named(&self, environment: &str, pattern: &Value) -> Vec<String> {
        let capture = environment.strip_prefix("{{").and_then(|name| name.strip_suffix("}}")).map(str::trim);
        let Some(capture) = capture else {
            let name = (environment != "none" && is_usable(environment)).then(|| environment.to_owned());
            return name.into_iter().collect();
        };
        let caught = |key: &str, between: char, subjects: &BTreeSet<String>| -> Vec<String> {
            let segments = pattern[key].as_str().unwrap_or_default().split(between);
            let place = segments.take_while(|segment| *segment != "**").position(|s| s == format!("{{{capture}}}"));
            let at = |subject: &String| subject.split(between).nth(place?).map(str::to_owned);
            subjects.iter().filter_map(at).filter(|name| !name.is_empty()).collect()
        };
        let mut names = caught("path", '/', &self.paths);
        names.extend(caught("component", '/', &self.components));
        names.extend(caught("stack", '-', &self.stacks));
        names
    }

    /// The workflow files, each with a text that takes what it is to be given.
    pub fn workflows(&self) -> Vec<(&str, String)> {
        self.workflows.iter().map(|(file, wanted)| (file.as_str(), wanted.yaml(file))).collect()
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// A name with a template in it is none.
fn is_usable(name: &str) -> bool {
    !name.is_empty() && !name.contains("{{") && !name.contains("<no value>")
}

impl Wanted {
    /// The input that brings the environment.
    fn carrier(&self) -> Option<&str> {
        let known = ["github_environment", "environment"].into_iter().find(|name| self.inputs.contains_key(*name));
        let by_template = |(_, value): &(&String, &String)| value.replace(' ', "") == "{{environment}}";
        known.or_else(|| self.inputs.iter().find(by_template).map(|(name, _)| name.as_str()))
    }

    fn yaml(&self, file: &str) -> String {
        let mut names: BTreeSet<&str> = self.inputs.keys().map(String::as_str).collect();
        names.extend(["sha", "atmos_pro_run_id"]);
        // JSON is YAML, and it quotes.
        let quoted = |text: &str| Value::from(text).to_string();
        let inputs: String = names.iter().map(|name| format!("      {}: {{type: string}}\n", quoted(name))).collect();
        let shown = ["component", "stack"].into_iter().filter(|name| names.contains(name));
        let title: String = shown.map(|name| format!("${{{{ inputs.{name} }}}} ")).collect();
        let environment = match (self.carrier(), self.environments.first()) {
            (Some(input), _) => format!("${{{{ inputs.{input} }}}}"),
            (None, Some(only)) => only.clone(),
            (None, None) => "${{ inputs.environment }}".to_owned(),
        };
        format!(
            "name: {name}\nrun-name: \"apply {title}| ${{{{ inputs.atmos_pro_run_id }}}}\"\non:\n  workflow_dispatch:\n    \
             inputs:\n{inputs}jobs:\n  apply:\n    runs-on: ubuntu-latest\n    environment: {environment}\n    steps:\n      \
             - name: apply\n        run: \"true\"\n",
            name = quoted(file),
            environment = quoted(&environment),
        )
    }
}
