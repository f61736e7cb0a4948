//! Whether a job of the workflow will wait at the gate: it takes its environment from what is passed, or
//! names the very environment.

use std::collections::BTreeMap;

use super::{Facts, Open};
use crate::{
    checks::Check,
    finding::{Finding, Severity, quoted},
    github::Trouble,
    inputs::EnvironmentCheck,
    workflow::{
        Declared, Job, Named,
        expression::{Scope, resolve},
    },
};

/// The environments that a workflow's jobs take.
#[derive(Debug, Default)]
struct Taken {
    known: Vec<String>,
    /// Where it cannot be told: which job, and why.
    unknown: Vec<(Option<u32>, String)>,
    /// The first job that names one.
    line: Option<u32>,
}

/// What is wrong with the environments that the jobs take in one dispatch.
pub fn finding(
    file: &str,
    one: &Open<'_>,
    declared: &Declared,
    inputs: &BTreeMap<String, String>,
    facts: &Facts,
    check: EnvironmentCheck,
) -> Option<Finding> {
    let environment = one.planned.environment.as_str();
    let taken = taken(declared, &declared.scope(inputs), |path| {
        facts.called.get(&(path.to_owned(), one.planned.git_ref.clone()))
    });
    let wanted = environment.to_lowercase();
    if taken.known.iter().any(|name| name.to_lowercase() == wanted) {
        return None;
    }
    let finding = match taken.unknown.first() {
        None => lacking(file, &taken, check),
        Some(_) if check == EnvironmentCheck::Off => return None,
        Some((line, why)) => {
            let severity = if check == EnvironmentCheck::Protected { Severity::Error } else { Severity::Warning };
            let problem =
                format!("it cannot be told whether a job of workflow {} takes this environment: {why}", quoted(file));
            let remedy = "Let the job's `environment:` be the input itself, in this workflow or one that it calls from the same repository";
            Finding::of(Check::JobEnvironmentUnknown, severity, problem, remedy).at(&path(file), *line)
        }
    };
    Some(finding.environment(environment))
}

/// Every environment that the jobs take by a name that is known, the planned one and others.
pub fn names(one: &Open<'_>, declared: &Declared, facts: &Facts) -> Vec<String> {
    let inputs = one.inputs(declared);
    let taken = taken(declared, &declared.scope(&inputs), |path| {
        facts.called.get(&(path.to_owned(), one.planned.git_ref.clone()))
    });
    taken.known.into_iter().filter(|name| !name.is_empty()).collect()
}

fn path(file: &str) -> String {
    format!(".github/workflows/{file}")
}

/// No job takes it: what was meant to wait would be applied at once.
fn lacking(file: &str, taken: &Taken, check: EnvironmentCheck) -> Finding {
    let severity = if check == EnvironmentCheck::Off { Severity::Warning } else { Severity::Error };
    let mut names: Vec<String> = taken.known.iter().filter(|name| !name.is_empty()).map(|name| quoted(name)).collect();
    names.sort_unstable();
    names.dedup();
    let instead =
        if names.is_empty() { "they take none".to_owned() } else { format!("they take {}", names.join(", ")) };
    let problem = format!("no job of workflow {} takes this environment: {instead}", quoted(file));
    let remedy = "Give the job that applies `environment:` with the input that is passed, such as `environment: ${{ inputs.github_environment }}`";
    Finding::of(Check::JobEnvironment, severity, problem, remedy).at(&path(file), taken.line)
}

/// Looks through the jobs, and through those of a workflow of this repository that one calls.
fn taken<'a>(
    declared: &Declared,
    scope: &Scope,
    called: impl Fn(&str) -> Option<&'a Result<Result<Declared, String>, Trouble>>,
) -> Taken {
    let mut taken = Taken::default();
    for job in &declared.jobs {
        let Some(uses) = &job.uses else {
            take(job, scope, "", &mut taken);
            continue;
        };
        let name = quoted(&job.key);
        let why = match job.calls_local().and_then(&called) {
            Some(Ok(Ok(inner))) => {
                let scope = inner.call_scope(job, scope);
                for inner_job in &inner.jobs {
                    match &inner_job.uses {
                        None => take(inner_job, &scope, &format!(", called by job {name},"), &mut taken),
                        Some(_) => taken
                            .unknown
                            .push((job.line, format!("job {name} calls a workflow that calls a further one"))),
                    }
                }
                continue;
            }
            Some(Ok(Err(what))) => format!("job {name} calls {}, which cannot be read: {what}", quoted(uses)),
            Some(Err(trouble)) => format!("job {name} calls {}, which cannot be read: {trouble}", quoted(uses)),
            None => format!("job {name} calls {}, which lies elsewhere", quoted(uses)),
        };
        taken.unknown.push((job.line, why));
    }
    taken
}

fn take(job: &Job, scope: &Scope, by: &str, taken: &mut Taken) {
    let name = quoted(&job.key);
    match &job.environment {
        Named::Nothing => return,
        Named::Odd => taken.unknown.push((job.line, format!("the `environment:` of job {name}{by} is no name"))),
        Named::Text(text) => match resolve(text, scope) {
            Some(environment) => taken.known.push(environment),
            None => taken.unknown.push((job.line, format!("job {name}{by} names {}", quoted(text)))),
        },
    }
    taken.line = taken.line.or(job.line);
}
