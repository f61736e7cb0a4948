//! What preflight asks GitHub: one listing of environments, two requests for each distinct workflow, one for
//! each workflow that these call, and a few for distinct environments with rules the listing does not hold.

use std::{collections::BTreeMap, future::Future};

use futures_util::{
    StreamExt,
    future::{join, try_join},
    stream,
};

use super::{Answer, Facts, Open, Source, TestMerge, WorkflowFacts, by, environments};
use crate::{
    github::{Environment, Github, Policy, Trouble},
    inputs::EnvironmentCheck,
    ordered::Ordered,
    workflow::{self, Declared},
};

/// Requests that are under way at once: GitHub asks for restraint.
/// <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#avoid-concurrent-requests>
const AT_ONCE: usize = 8;

/// Asks for all that the checks look at.
///
/// # Errors
/// GitHub could not be asked, or does not accept the token.
pub async fn facts(
    github: &Github,
    open: &[Open<'_>],
    check: EnvironmentCheck,
    merge: Option<TestMerge>,
) -> Result<Facts, Trouble> {
    let files = Files { github, merge: merge.as_ref() };
    let sources: Vec<Source> = by(open, Open::source).into_keys().collect();
    let ask_environments = async {
        match check {
            EnvironmentCheck::Off => Ok(None),
            EnvironmentCheck::Exists | EnvironmentCheck::Protected => told(github.environments().await).map(Some),
        }
    };
    let (environments, workflows) = try_join(ask_environments, each(sources, |source| files.workflow(source))).await?;
    let called = each(calls(&workflows), |(path, git_ref)| files.file(path, git_ref));
    let mut facts = Facts { environments, workflows, ..Facts::default() };
    let (called, ()) = try_join(called, rules(&files, open, &mut facts)).await?;
    github.learn_version().await?;
    Ok(Facts { called, names_runs: github.names_runs(), merge, ..facts })
}

/// What the listing does not hold, for the environments that are deployed to.
async fn rules(files: &Files<'_>, open: &[Open<'_>], facts: &mut Facts) -> Result<(), Trouble> {
    let github = files.github;
    let Some(Ok(listed)) = &facts.environments else {
        return Ok(());
    };
    let wanted: Vec<&Environment> = by(open, |one| one.planned.environment.to_lowercase())
        .into_keys()
        .filter_map(|name| environments::find(listed, &name))
        .collect();
    let named = |filter: fn(&Environment) -> bool| {
        wanted.iter().filter(|environment| filter(environment)).map(|environment| environment.name.clone()).collect()
    };
    // A preview shows all that will hold a deployment back; else only what is not held back by people matters.
    let bare = match files.merge {
        Some(_) => named(|_| true),
        None => named(|environment| environment.rules.as_ref().is_some_and(|rules| !rules.protect())),
    };
    let with_patterns = named(|environment| environment.policy == Policy::Patterns);
    let by_protection = wanted.iter().any(|environment| environment.policy == Policy::Protected);
    let ask_branches = async {
        if !by_protection {
            return Ok(None);
        }
        told(github.protected_branches().await).map(Some)
    };
    let ask_apps = each(bare, async |name: String| told(github.custom_rules(&name).await));
    let ask_patterns = each(with_patterns, async |name: String| told(github.branch_patterns(&name).await));
    let (branches, (apps, patterns)) = try_join(ask_branches, try_join(ask_apps, ask_patterns)).await?;
    facts.protected_branches = branches;
    facts.apps = apps;
    facts.patterns = patterns;
    Ok(())
}

/// Asks about each of several things, a few at once.
async fn each<K: Ord + Clone, T, F>(keys: Vec<K>, ask: impl Fn(K) -> F) -> Result<BTreeMap<K, T>, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let answers: Vec<Result<T, Trouble>> = stream::iter(keys.clone()).map(ask).buffered(AT_ONCE).collect().await;
    let answers: Vec<T> = answers.into_iter().collect::<Result<_, _>>()?;
    Ok(keys.into_iter().zip(answers).ordered())
}

/// Workflow files, as they are or as a merge would leave them.
struct Files<'a> {
    github: &'a Github,
    merge: Option<&'a TestMerge>,
}

impl Files<'_> {
    async fn workflow(&self, (name, git_ref): Source) -> Result<WorkflowFacts, Trouble> {
        let path = format!(".github/workflows/{name}");
        let (state, file) = join(self.github.workflow(&name), self.file(path, git_ref)).await;
        Ok(WorkflowFacts { state: told(state)?, file: file? })
    }

    async fn file(&self, path: String, git_ref: String) -> Result<Answer<Result<Declared, String>>, Trouble> {
        let merge = self.merge.filter(|merge| merge.changes(&git_ref));
        let at = merge.map_or(git_ref.as_str(), |merge| merge.commit.as_str());
        Ok(told(self.github.file(&path, at).await)?.map(|text| workflow::read(&text)))
    }
}

/// The workflows of this repository that these call, at the same ref.
fn calls(workflows: &BTreeMap<Source, WorkflowFacts>) -> Vec<Source> {
    let mut calls: Vec<Source> = workflows
        .iter()
        .filter_map(|((_, git_ref), facts)| Some((git_ref, facts.declared()?)))
        .flat_map(|(git_ref, declared)| {
            declared.jobs.iter().filter_map(move |job| Some((job.calls_local()?.to_owned(), git_ref.clone())))
        })
        .collect();
    calls.sort_unstable();
    calls.dedup();
    calls
}

/// An answer that says no is a fact; that there is none ends the check.
fn told<T>(result: Result<T, Trouble>) -> Result<Answer<T>, Trouble> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(trouble @ (Trouble::Forbidden { .. } | Trouble::NotFound { .. } | Trouble::Refused { .. })) => {
            Ok(Err(trouble))
        }
        Err(trouble) => Err(trouble),
    }
}
