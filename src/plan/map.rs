//! What becomes of one item: the rule that matches it decides, else the list's own settings.

use std::collections::BTreeMap;

use super::{ID_MARK, Planned, Subject, unrendered, workflow_file};
use crate::{
    affected::{Dispatch, Item, Own, Wish},
    config::{Config, Rule, Settings, Template},
    event::is_commit,
    finding::{Finding, quoted},
};

/// GitHub's limit for an environment's name.
const LONGEST_NAME: usize = 255;

/// The deployments of one item, or the one row that says why there are none.
pub(super) fn map(subject: &Subject, config: &Config, item: &Item) -> Result<Vec<Planned>, Vec<Finding>> {
    if let Some((rule, captures)) = config.rule_for(item) {
        return by_rule(subject, config, item, rule, captures);
    }
    match &item.wish {
        Wish::Skip(reason) => Ok(vec![skipped(item, reason.clone(), "`settings.pro`".to_owned())]),
        // Only a rule can map what was deleted, whatever settings it still carries.
        _ if item.deleted => Ok(vec![skipped(
            item,
            "it was deleted, and no rule says what to do with a deleted component".to_owned(),
            "no rule".to_owned(),
        )]),
        Wish::Dispatch(dispatches) => {
            dispatches.iter().map(|dispatch| by_settings(subject, config, item, dispatch)).collect()
        }
        Wish::Own(own) if own.environment.is_some() => by_list(subject, config, item, own),
        Wish::Own(_) => Err(vec![Finding::mapping(
            item.name(),
            "nothing maps it to an environment: it names no `environment`, and no rule matches it",
            format!("Name its `environment` in the list, or {}", rule_remedy(config)),
        )]),
        Wish::Silent => Err(vec![Finding::mapping(
            item.name(),
            "nothing maps it to an environment: it has no `settings.pro.pull_request.merged`, and no rule matches it",
            format!(
                "Give it these settings and run `atmos describe affected` with `--include-settings`, or {}",
                rule_remedy(config)
            ),
        )]),
    }
}

/// How to write a rule for what nothing maps.
pub(crate) fn rule_remedy(config: &Config) -> String {
    let file = if config.file.is_empty() { "`.github/deployments.yml`".to_owned() } else { quoted(&config.file) };
    format!("add a rule that matches it to {file} (with `environment: none` if it is not to be deployed)")
}

fn named(item: &Item) -> Planned {
    Planned {
        component: item.component.clone(),
        stack: item.stack.clone(),
        kind: item.kind.clone(),
        ..Planned::default()
    }
}

fn skipped(item: &Item, reason: String, why: String) -> Planned {
    Planned { skip: Some(reason), why, ..named(item) }
}

fn by_rule(
    subject: &Subject,
    config: &Config,
    item: &Item,
    rule: &Rule,
    captures: BTreeMap<String, String>,
) -> Result<Vec<Planned>, Vec<Finding>> {
    if rule.environments.is_empty() {
        return Ok(vec![skipped(item, format!("{} says `environment: none`", rule.told()), rule.told())]);
    }
    let nothing = Own::default();
    let own = if let Wish::Own(own) = &item.wish { own } else { &nothing };
    let mut mapping =
        Mapping { subject, item, values: values(subject, item, captures), decided: rule.told(), findings: Vec::new() };
    let mut all = Vec::new();
    for template in &rule.environments {
        let mut here = mapping.values.clone();
        here.remove("deployment_id");
        if let Some(environment) = mapping.render(template, &here, "environment") {
            all.push(mapping.planned(environment, &rule.settings, own, &config.defaults));
        }
    }
    mapping.done(all)
}

fn by_list(subject: &Subject, config: &Config, item: &Item, own: &Own) -> Result<Vec<Planned>, Vec<Finding>> {
    let values = values(subject, item, BTreeMap::new());
    let mut mapping = Mapping { subject, item, values, decided: "the list".to_owned(), findings: Vec::new() };
    let environment = own.environment.clone().unwrap_or_default();
    let planned = mapping.planned(environment, &Settings::default(), own, &config.defaults);
    mapping.done(vec![planned])
}

/// The values templates can use. What everything has goes before what this item has.
fn values(subject: &Subject, item: &Item, captures: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut values = item.fields.clone();
    for (name, value) in
        [("path", &item.path), ("component_path", &item.path), ("type", &item.kind), ("component_type", &item.kind)]
    {
        if let Some(value) = value {
            values.insert(name.to_owned(), value.clone());
        }
    }
    values.extend(captures);
    let actor = if subject.merged_by.is_empty() { &subject.author } else { &subject.merged_by };
    for (name, value) in [
        ("component", item.component.as_str()),
        ("stack", item.stack.as_deref().unwrap_or_default()),
        ("sha", &subject.merge_commit),
        ("head_sha", &subject.head_sha),
        ("base_ref", &subject.base_ref),
        ("pull_request", &subject.pull_request.to_string()),
        ("deployment_id", ID_MARK),
        ("actor", actor),
    ] {
        values.insert(name.to_owned(), value.to_owned());
    }
    values
}

/// One item under way to its deployments; mistakes are collected.
struct Mapping<'a> {
    subject: &'a Subject,
    item: &'a Item,
    values: BTreeMap<String, String>,
    decided: String,
    findings: Vec<Finding>,
}

impl Mapping<'_> {
    fn done<T>(self, planned: T) -> Result<T, Vec<Finding>> {
        if self.findings.is_empty() { Ok(planned) } else { Err(self.findings) }
    }

    fn refuse(&mut self, problem: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding::mapping(self.item.name(), problem, remedy));
    }

    fn render(&mut self, template: &Template, values: &BTreeMap<String, String>, what: &str) -> Option<String> {
        match template.render(values) {
            Ok(text) => Some(text),
            Err(error) => {
                let problem = format!("its {what} ({}, {}) {error}", self.decided, quoted(template.source()));
                self.refuse(problem, "Use a name this component has, or map it by a rule of its own");
                None
            }
        }
    }

    fn planned(&mut self, environment: String, rule: &Settings, own: &Own, defaults: &Settings) -> Planned {
        self.check_environment(&environment);
        let mut values = self.values.clone();
        values.insert("environment".to_owned(), environment.clone());
        let before = {
            let mut before = values.clone();
            before.remove("deployment_id");
            before
        };
        let (workflow, source) = match (&rule.workflow, &own.workflow, &defaults.workflow) {
            (Some(template), ..) => (self.render(template, &before, "workflow"), ""),
            (None, Some(own), _) if self.decided == "the list" => (Some(own.clone()), ""),
            (None, Some(own), _) => (Some(own.clone()), ", the list's workflow"),
            (None, None, Some(template)) => (self.render(template, &before, "workflow"), ", default workflow"),
            (None, None, None) => {
                self.refuse(
                    format!("no workflow is named for it ({})", self.decided),
                    "Set `workflow` in the rule, or at the top of the config file for all",
                );
                (None, "")
            }
        };
        let workflow = workflow.map(|given| self.workflow(&given)).unwrap_or_default();
        let git_ref = self.git_ref(rule.git_ref.as_ref().or(defaults.git_ref.as_ref()), &before);
        let inputs = self.inputs(&values, rule, own, defaults);
        Planned { environment, workflow, git_ref, inputs, why: format!("{}{source}", self.decided), ..named(self.item) }
    }

    /// What it is dispatched on: a branch or a tag, by its name alone or from `refs/` on.
    fn git_ref(&mut self, template: Option<&Template>, values: &BTreeMap<String, String>) -> String {
        let Some(template) = template else { return self.subject.base_ref.clone() };
        let Some(git_ref) = self.render(template, values, "`ref`") else { return String::new() };
        let unfit = |letter: char| letter.is_control() || letter.is_whitespace();
        if git_ref.is_empty() || git_ref.contains(unfit) {
            self.refuse(
                format!("its `ref` is {}, which is no branch or tag", quoted(&git_ref)),
                "Correct `ref` in the config file",
            );
        } else if is_commit(&git_ref) {
            self.refuse(
                format!("its `ref` is {}, which is a commit, and a dispatch takes a branch or tag", quoted(&git_ref)),
                "Name the branch or tag in the config file, or leave `ref` out; pass the commit by the input `sha`",
            );
        }
        git_ref
    }

    fn check_environment(&mut self, environment: &str) {
        let what = unrendered(environment).map(str::to_owned).or_else(|| {
            if environment.chars().any(char::is_control) {
                Some("has a control character".to_owned())
            } else if environment.chars().count() > LONGEST_NAME {
                Some(format!("is longer than {LONGEST_NAME} characters"))
            } else {
                None
            }
        });
        if let Some(what) = what {
            let shown: String = environment.chars().take(100).collect();
            let problem = format!("its environment {} ({}) {what}", quoted(&shown), self.decided);
            self.refuse(problem, "No environment has such a name: look at what the template is filled with");
        }
    }

    fn workflow(&mut self, given: &str) -> String {
        workflow_file(given).unwrap_or_else(|| {
            self.refuse(
                format!("its workflow {} ({}) is no file in `.github/workflows`", quoted(given), self.decided),
                "Name the file alone, such as `terraform-apply.yml`",
            );
            String::new()
        })
    }

    /// The defaults, over them what the list says of the item, over them what the rule says.
    fn inputs(
        &mut self,
        values: &BTreeMap<String, String>,
        rule: &Settings,
        own: &Own,
        defaults: &Settings,
    ) -> BTreeMap<String, String> {
        let mut inputs = BTreeMap::new();
        let replaced = |name: &String| rule.inputs.contains_key(name) || own.inputs.contains_key(name);
        for (name, template) in defaults.inputs.iter().filter(|(name, _)| !replaced(name)) {
            self.input(&mut inputs, values, name, template.as_ref());
        }
        inputs.extend(own.inputs.iter().map(|(name, value)| (name.clone(), value.clone())));
        for (name, template) in &rule.inputs {
            inputs.remove(name);
            self.input(&mut inputs, values, name, template.as_ref());
        }
        inputs
    }

    fn input(
        &mut self,
        inputs: &mut BTreeMap<String, String>,
        values: &BTreeMap<String, String>,
        name: &str,
        template: Option<&Template>,
    ) {
        let Some(template) = template else { return };
        let what = format!("input {}", quoted(name));
        let Some(text) = self.render(template, values, &what) else { return };
        if template.uses("deployment_id") {
            // Each try has its own id, so it must come out as it went in.
            let mut probe = values.clone();
            probe.insert("deployment_id".to_owned(), "0123456789ab".to_owned());
            let changed = template.render(&probe).ok();
            if changed != Some(text.replace(ID_MARK, "0123456789ab")) {
                self.refuse(
                    format!("its {what} ({}, {}) changes `deployment_id`", self.decided, quoted(template.source())),
                    "Use `{{ deployment_id }}` as it is: every try has an id of its own",
                );
            }
        }
        inputs.insert(name.to_owned(), text);
    }
}

/// A target as Atmos Pro's settings describe it. They say nothing of a branch: the config's default holds.
fn by_settings(subject: &Subject, config: &Config, item: &Item, dispatch: &Dispatch) -> Result<Planned, Vec<Finding>> {
    let refuse = |problem: String, remedy: &str| Err(vec![Finding::mapping(item.name(), problem, remedy)]);
    let Some(workflow) = workflow_file(&dispatch.workflow) else {
        return refuse(
            format!("its workflow {} is no file in `.github/workflows`", quoted(&dispatch.workflow)),
            "Name the file alone, such as `terraform-apply.yml`",
        );
    };
    let named_by = ["github_environment", "environment"]
        .iter()
        .find_map(|name| Some((*name, dispatch.inputs.get(*name).filter(|value| !value.is_empty())?)));
    let Some((input, environment)) = named_by else {
        return refuse(
            format!("its workflow `{workflow}` is given no environment"),
            "Set the input `github_environment` (or `environment`) in `settings.pro.pull_request.merged.workflows`",
        );
    };
    if let Some(what) = unrendered(environment) {
        return refuse(
            format!("its environment {} {what}: a template that was not rendered", quoted(environment)),
            "Look at the template of this input in the stack's settings",
        );
    }
    let mut values = values(subject, item, BTreeMap::new());
    values.insert("environment".to_owned(), environment.clone());
    values.remove("deployment_id");
    let decided = "the default".to_owned();
    let mut mapping = Mapping { subject, item, values: values.clone(), decided, findings: Vec::new() };
    mapping.check_environment(environment);
    let git_ref = mapping.git_ref(config.defaults.git_ref.as_ref(), &values);
    mapping.done(Planned {
        environment: environment.clone(),
        workflow,
        git_ref,
        inputs: dispatch.inputs.clone(),
        why: format!("`settings.pro`, input `{input}`"),
        ..named(item)
    })
}
