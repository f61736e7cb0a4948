//! Everything that can be checked before anything is applied, looked at in one go.
//!
//! With any error nothing at all is dispatched. What a later process dispatches from the state of an
//! earlier one passes here again.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join_all, try_join};

use crate::{
    finding::Finding,
    github::{Environment, Github, Trouble},
    inputs::EnvironmentCheck,
    rollout::{Progress, Rollout},
    workflow::{self, Declared},
};

/// A workflow file at a ref.
pub type Source = (String, String);

/// What was found, and the workflows as they were read.
#[derive(Debug, Default)]
pub struct Checked {
    /// All findings, errors first.
    pub findings: Vec<Finding>,
    /// The workflows that could be read.
    pub workflows: BTreeMap<Source, Declared>,
}

/// Checks what is still to be dispatched.
///
/// # Errors
/// GitHub could not be asked: no finding of the check, the check itself failed.
pub async fn check(github: &Github, rollout: &Rollout, environments: EnvironmentCheck) -> Result<Checked, Trouble> {
    let open: Vec<_> = rollout
        .deployments
        .iter()
        .filter(|deployment| deployment.planned.skip.is_none())
        .filter(|deployment| matches!(deployment.progress, Progress::Planned | Progress::Intended { .. }))
        .collect();
    if open.is_empty() {
        return Ok(Checked::default());
    }
    let sources: BTreeSet<Source> = open
        .iter()
        .map(|deployment| (deployment.planned.workflow.clone(), deployment.planned.git_ref.clone()))
        .collect();
    let ask_environments = async {
        match environments {
            EnvironmentCheck::Off => Ok(None),
            EnvironmentCheck::Exists | EnvironmentCheck::Protected => github.environments().await.map(Some),
        }
    };
    let ask_workflows = async {
        join_all(sources.iter().map(|source| source_of(github, source)))
            .await
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
    };
    let (known, read) = try_join(ask_environments, ask_workflows).await?;
    let mut checked = Checked::default();
    for (source, result) in sources.into_iter().zip(read) {
        match result {
            Ok(declared) => drop(checked.workflows.insert(source, declared)),
            Err(finding) => checked.findings.push(finding),
        }
    }
    for deployment in &open {
        let planned = &deployment.planned;
        if let Some(declared) = checked.workflows.get(&(planned.workflow.clone(), planned.git_ref.clone())) {
            let id = rollout.id(deployment);
            let inputs = declared.filled(&planned.inputs, &rollout.subject.merge_commit, &id);
            let about = format!("{} → `{}`", planned.name(), planned.environment);
            check_inputs(&about, &planned.workflow, declared, &inputs, &mut checked.findings);
        }
    }
    if let Some(known) = known {
        let wanted: BTreeSet<&str> = open.iter().map(|deployment| deployment.planned.environment.as_str()).collect();
        check_environments(&wanted, &known, environments, &mut checked.findings);
    }
    checked.findings.sort_by_key(|finding| finding.severity);
    Ok(checked)
}

/// One workflow: known, active, readable and dispatchable at the ref.
async fn source_of(github: &Github, (file, git_ref): &Source) -> Result<Result<Declared, Finding>, Trouble> {
    let path = format!(".github/workflows/{file}");
    let about = format!("workflow `{file}`");
    let (known, text) = futures_util::future::join(github.workflow(file), github.file(&path, git_ref)).await;
    let refuse = |problem: String, remedy: &str| Ok(Err(Finding::error(about.clone(), problem, remedy)));
    match known {
        Ok(known) if known.state != "active" => {
            return refuse(format!("is not active (`{}`)", known.state), "Enable it on the repository's Actions page");
        }
        Ok(_) => {}
        Err(Trouble::NotFound { .. }) => {
            return refuse(
                "does not exist on the default branch, so GitHub cannot dispatch it".to_owned(),
                "Add the file there, or correct its name where the component is mapped to it",
            );
        }
        Err(trouble) => return Err(trouble),
    }
    let text = match text {
        Ok(text) => text,
        Err(Trouble::NotFound { .. }) => {
            return refuse(
                format!("does not exist on `{git_ref}`, where it would be dispatched"),
                "Add the file to this branch, or dispatch on another",
            );
        }
        Err(trouble) => return Err(trouble),
    };
    match workflow::read(&text) {
        Ok(declared) if !declared.dispatchable => refuse(
            format!("has no `workflow_dispatch` trigger on `{git_ref}`"),
            "Add `workflow_dispatch:` under `on:`, with the inputs it takes",
        ),
        Ok(declared) => Ok(Ok(declared)),
        Err(what) => refuse(format!("cannot be read on `{git_ref}`: {what}"), "Mend the file"),
    }
}

fn check_inputs(
    about: &str,
    file: &str,
    declared: &Declared,
    inputs: &BTreeMap<String, String>,
    findings: &mut Vec<Finding>,
) {
    let names = |names: Vec<&String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let lookup = |name: &str| declared.inputs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let undeclared: Vec<&String> = inputs.keys().filter(|name| lookup(name).is_none()).collect();
    if !undeclared.is_empty() {
        findings.push(Finding::error(
            about,
            format!("workflow `{file}` declares no input {}", names(undeclared)),
            "Declare it under `on.workflow_dispatch.inputs`, or do not pass it",
        ));
    }
    let given = |name: &str| inputs.iter().any(|(set, value)| set.eq_ignore_ascii_case(name) && !value.is_empty());
    let missing: Vec<&String> = declared
        .inputs
        .iter()
        .filter(|(name, input)| input.required && !input.default && !given(name))
        .map(|(name, _)| name)
        .collect();
    if !missing.is_empty() {
        findings.push(Finding::error(
            about,
            format!("workflow `{file}` requires the input {}, and nothing sets it", names(missing)),
            "Set it where the component is mapped to the workflow",
        ));
    }
    for (name, value) in inputs {
        let options = lookup(name).and_then(|(_, input)| input.options.as_ref());
        if let Some(options) = options.filter(|options| !value.is_empty() && !options.contains(value)) {
            findings.push(Finding::error(
                about,
                format!("input `{name}` of workflow `{file}` takes no `{value}`"),
                format!("Accepted is one of: {}", options.join(", ")),
            ));
        }
    }
    let characters: usize = inputs.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if inputs.len() > workflow::MOST_INPUTS || characters > workflow::MOST_CHARACTERS {
        findings.push(Finding::error(
            about,
            format!("{} inputs with {characters} characters are more than GitHub takes", inputs.len()),
            format!(
                "Pass at most {} inputs with {} characters together",
                workflow::MOST_INPUTS,
                workflow::MOST_CHARACTERS
            ),
        ));
    }
}

/// GitHub creates an unprotected environment when a job names one that does not exist: a typo would deploy
/// without a gate.
fn check_environments(
    wanted: &BTreeSet<&str>,
    known: &[Environment],
    check: EnvironmentCheck,
    findings: &mut Vec<Finding>,
) {
    for name in wanted {
        let about = format!("environment `{name}`");
        match known.iter().find(|environment| environment.name.eq_ignore_ascii_case(name)) {
            None => findings.push(Finding::error(
                about,
                "does not exist; GitHub would create it without any protection",
                "Create it under Settings → Environments, or correct the name where components are mapped to it",
            )),
            Some(environment) if !environment.protected && check == EnvironmentCheck::Protected => {
                findings.push(Finding::error(
                    about,
                    "has no required reviewers, wait timer or custom rule, and `environment-check` is `protected`",
                    "Protect it under Settings → Environments",
                ));
            }
            Some(environment) if !environment.protected => findings.push(Finding::warning(
                about,
                "has no required reviewers, wait timer or custom rule: what goes there is applied at once",
                "Protect it under Settings → Environments if that is not intended",
            )),
            Some(_) => {}
        }
    }
}
