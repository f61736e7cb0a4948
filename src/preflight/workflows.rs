//! Checks of workflows: whether a dispatch with these inputs would be accepted, and what would come of it.
//!
//! <https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event>

use std::collections::BTreeMap;

use super::{Facts, Open, Source, TestMerge, WorkflowFacts, environments, jobs, names};
use crate::{
    checks::Check,
    finding::{Finding, Severity, quoted},
    github::{Environment, Trouble},
    inputs::EnvironmentCheck,
    workflow::{Declared, Input, MOST_CHARACTERS, MOST_INPUTS, expressions, refers},
};

/// Everything that is wrong with one workflow, for all that are dispatched with it.
pub fn findings(source: &Source, users: &[&Open<'_>], facts: &Facts, check: EnvironmentCheck) -> Vec<Finding> {
    let Some(workflow) = facts.workflows.get(source) else {
        return Vec::new();
    };
    let path = format!(".github/workflows/{}", source.0);
    let mut found = presence(source, workflow, facts.merge_into(&source.1));
    found.extend(facts.merge_into(&source.1).filter(|merge| !merge.made).map(|_| untested()));
    if let Some(declared) = workflow.declared().filter(|declared| declared.dispatchable) {
        found.extend(limits_of_declaration(&source.0, declared));
        let listed = facts.environments.as_ref().and_then(|answer| answer.as_ref().ok());
        for one in users {
            let own = of_one(&source.0, one, declared, facts, listed, check);
            found.extend(own.into_iter().map(|finding| finding.concerning([one.planned.name()])));
        }
    }
    found
        .into_iter()
        .map(|finding| {
            let line = finding.place.as_ref().and_then(|place| place.line);
            let in_file = !matches!(finding.check, Check::WorkflowMissing | Check::WorkflowDisabled | Check::TestMerge);
            let finding = if in_file && finding.place.is_none() { finding.at(&path, line) } else { finding };
            if finding.components.is_empty() { finding.concerning(names(users)) } else { finding }
        })
        .collect()
}

/// What is wrong with one deployment's dispatch.
fn of_one(
    file: &str,
    one: &Open<'_>,
    declared: &Declared,
    facts: &Facts,
    listed: Option<&Vec<Environment>>,
    check: EnvironmentCheck,
) -> Vec<Finding> {
    let inputs = one.inputs(declared);
    let mut found: Vec<Finding> = undeclared(file, declared, &inputs).into_iter().collect();
    found.extend(missing(file, declared, &inputs));
    // That the environment itself does not exist is told by the check that is about it.
    let strange = |value: &str| {
        value.to_lowercase() != one.planned.environment.to_lowercase()
            && listed.is_some_and(|all| environments::find(all, value).is_none())
    };
    found.extend(values(file, declared, &inputs, strange));
    found.extend(limits(&inputs));
    found.extend(concurrency(file, declared, &inputs, &one.id));
    found.extend(merge_commit(file, &inputs, one.merge_commit));
    if !facts.names_runs && !declared.shows(&inputs, &one.id) {
        found.push(title(file));
    }
    found.extend(jobs::finding(file, one, declared, &inputs, facts, check));
    found
}

fn error(check: Check, problem: String, remedy: impl Into<String>) -> Finding {
    Finding::of(check, Severity::Error, problem, remedy)
}

/// Known, active, there at the ref, readable, dispatchable.
fn presence((name, git_ref): &Source, workflow: &WorkflowFacts, merge: Option<&TestMerge>) -> Vec<Finding> {
    let file = quoted(name);
    let at = if merge.is_some() { format!("{} after the merge", quoted(git_ref)) } else { quoted(git_ref) };
    let mut found = Vec::new();
    match &workflow.state {
        Ok(known) if known.state != "active" => found.push(error(
            Check::WorkflowDisabled,
            format!("workflow {file} is not active ({})", quoted(&known.state)),
            "Enable it on the repository's Actions page",
        )),
        Ok(_) => {}
        // GitHub comes to know it by the merge that brings it to the default branch.
        Err(Trouble::NotFound { .. }) if merge.is_some_and(|merge| merge.default) && workflow.file.is_ok() => {
            let problem = format!("workflow {file} does not exist on the default branch yet: the merge adds it");
            let remedy = "Nothing is to be mended; whether GitHub takes it shows after the merge";
            found.push(Finding::of(Check::WorkflowMissing, Severity::Warning, problem, remedy));
        }
        Err(Trouble::NotFound { .. }) => found.push(error(
            Check::WorkflowMissing,
            format!("workflow {file} does not exist on the default branch, so GitHub cannot dispatch it"),
            "Add the file there, or correct its name where the component is mapped to it",
        )),
        // The permission that is missing is a finding of its own.
        Err(Trouble::Forbidden { .. }) => {}
        Err(trouble) => found.push(unread(&file, &at, &trouble.to_string())),
    }
    match &workflow.file {
        Ok(Ok(declared)) if !declared.dispatchable => {
            let problem = format!("workflow {file} has no `workflow_dispatch` trigger on {at}");
            let remedy = "Add `workflow_dispatch:` under `on:`, with the inputs it takes";
            let finding = error(Check::WorkflowNotDispatchable, problem, remedy);
            found.push(finding.at(&format!(".github/workflows/{name}"), declared.line));
        }
        Ok(Ok(_)) => {}
        Ok(Err(what)) => found.push(unread(&file, &at, what)),
        Err(Trouble::NotFound { .. }) => found.push(error(
            Check::WorkflowMissing,
            format!("workflow {file} does not exist on {at}, where it would be dispatched"),
            "Add the file to this branch, or dispatch on another",
        )),
        Err(Trouble::Forbidden { .. }) => {}
        Err(trouble) => found.push(unread(&file, &at, &trouble.to_string())),
    }
    found
}

/// A preview of a pull request that GitHub cannot merge by itself.
fn untested() -> Finding {
    let problem = "GitHub has no test merge of it, so workflows are judged as its last commit has them";
    let remedy = "Resolve its conflicts with the base branch; the next preview judges what the merge would leave";
    Finding::of(Check::TestMerge, Severity::Warning, problem, remedy).about("the pull request")
}

fn unread(file: &str, at: &str, why: &str) -> Finding {
    error(Check::WorkflowUnreadable, format!("workflow {file} cannot be read on {at}: {why}"), "Mend the file")
}

fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

fn undeclared(file: &str, declared: &Declared, inputs: &BTreeMap<String, String>) -> Option<Finding> {
    let strange: Vec<&String> = inputs.keys().filter(|name| !declared.inputs.contains_key(*name)).collect();
    if strange.is_empty() {
        return None;
    }
    let problem = format!("workflow {} declares no input {}", quoted(file), list(strange.iter().copied()));
    let near = declared.inputs.keys().filter(|known| strange.iter().any(|name| name.eq_ignore_ascii_case(known)));
    let near = list(near);
    let remedy = if near.is_empty() {
        "Declare it under `on.workflow_dispatch.inputs`, or do not pass it".to_owned()
    } else {
        format!("It declares {near}: write it in the same way")
    };
    Some(error(Check::InputUndeclared, problem, remedy).at(&format!(".github/workflows/{file}"), declared.line))
}

fn missing(file: &str, declared: &Declared, inputs: &BTreeMap<String, String>) -> Option<Finding> {
    let lacks = |(name, input): &(&String, &Input)| {
        let value = inputs.get(*name).or(input.default.as_ref());
        input.required && value.is_none_or(String::is_empty)
    };
    let missing: Vec<(&String, &Input)> = declared.inputs.iter().filter(lacks).collect();
    let line = missing.first()?.1.line;
    let problem = format!(
        "workflow {} requires the input {}, and nothing sets it",
        quoted(file),
        list(missing.iter().map(|(name, _)| *name))
    );
    let remedy = "Set it where the component is mapped to the workflow";
    Some(error(Check::InputMissing, problem, remedy).at(&format!(".github/workflows/{file}"), line))
}

/// Values that the input's type does not take.
fn values(
    file: &str,
    declared: &Declared,
    inputs: &BTreeMap<String, String>,
    strange: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let wrong = |(name, value): (&String, &String)| {
        let input = declared.inputs.get(name)?;
        let accepted = accepted(input, value, &strange)?;
        let shown: String = value.chars().take(100).collect();
        let problem = format!("input {} of workflow {} takes no {}", quoted(name), quoted(file), quoted(&shown));
        let finding = error(Check::InputValue, problem, format!("Accepted is {accepted}"));
        Some(finding.at(&format!(".github/workflows/{file}"), input.line))
    };
    inputs.iter().filter_map(wrong).collect()
}

/// What the input takes, where this value is none of it.
fn accepted(input: &Input, value: &str, strange: impl Fn(&str) -> bool) -> Option<String> {
    match input.kind.as_str() {
        "choice" if !input.options.iter().any(|option| option == value) => {
            Some(format!("one of {}", list(input.options.iter().take(30))))
        }
        "boolean" if value != "true" && value != "false" => Some("`true` or `false`".to_owned()),
        "number" if !value.is_empty() && !value.trim().parse::<f64>().is_ok_and(f64::is_finite) => {
            Some("a number".to_owned())
        }
        "environment" if !value.is_empty() && strange(value) => {
            Some("the name of an environment that exists".to_owned())
        }
        _ => None,
    }
}

fn limits(inputs: &BTreeMap<String, String>) -> Option<Finding> {
    let characters = serde_json::to_string(inputs).map_or(usize::MAX, |text| text.chars().count());
    (inputs.len() > MOST_INPUTS || characters > MOST_CHARACTERS).then(|| {
        error(
            Check::InputLimits,
            format!("{} inputs with {characters} characters as JSON are more than GitHub takes", inputs.len()),
            format!("Pass at most {MOST_INPUTS} inputs with {MOST_CHARACTERS} characters together"),
        )
    })
}

fn limits_of_declaration(file: &str, declared: &Declared) -> Option<Finding> {
    (declared.inputs.len() > MOST_INPUTS).then(|| {
        let problem = format!(
            "the {} inputs that workflow {} declares are more than GitHub takes",
            declared.inputs.len(),
            quoted(file)
        );
        error(Check::InputLimits, problem, format!("Declare at most {MOST_INPUTS}"))
            .at(&format!(".github/workflows/{file}"), declared.line)
    })
}

fn merge_commit(file: &str, inputs: &BTreeMap<String, String>, commit: &str) -> Option<Finding> {
    let receives = inputs.values().any(|value| value.contains(commit));
    (!receives).then(|| {
        let problem = format!(
            "no input of workflow {} receives the merge commit: the job applies whatever the branch is by then",
            quoted(file)
        );
        let remedy = "Declare the input `sha`, which is filled in, and check it out";
        Finding::of(Check::MergeCommit, Severity::Warning, problem, remedy)
    })
}

fn title(file: &str) -> Finding {
    let problem = format!(
        "this server does not name the run that a dispatch makes, and the `run-name` of workflow {} does not show the deployment's id",
        quoted(file)
    );
    let remedy = "Declare the input `deployment_id`, which is filled in, and show it: `run-name: apply ${{ inputs.deployment_id }}`";
    error(Check::RunTitle, problem, remedy)
}

/// A run that waits for approval holds the group, and of those behind it all but the last are cancelled. A
/// group whose name holds the run's own id, or the deployment's, is shared by none.
fn concurrency(file: &str, declared: &Declared, inputs: &BTreeMap<String, String>, id: &str) -> Option<Finding> {
    let group = declared.concurrency.as_ref()?;
    let own = |expression: &str| {
        expression.eq_ignore_ascii_case("github.run_id")
            || inputs.iter().any(|(name, value)| refers(expression, name) && value.contains(id))
    };
    if group.queues || expressions(&group.group).any(own) {
        return None;
    }
    let harm = if group.cancels {
        "a later run cancels the one that waits for approval"
    } else {
        "a run that waits for approval holds it, and of those behind it all but the last are cancelled"
    };
    let problem =
        format!("workflow {} has a workflow-level `concurrency` group without `queue: max`: {harm}", quoted(file));
    let remedy = "Add `queue: max`, or move the group to the job that applies";
    let finding = Finding::of(Check::Concurrency, Severity::Warning, problem, remedy);
    Some(finding.at(&format!(".github/workflows/{file}"), group.line))
}
