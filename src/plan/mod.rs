//! The plan: which deployments a merged pull request means, in which order, and why.
//!
//! A plan is a value. It is made by reading only, can be printed and compared, and is carried out later.
//! Each item is mapped by a rule, by its own settings, or by neither (`map`); what comes of all of them is
//! put in order (`order`).

mod map;
mod order;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) use self::map::rule_remedy;

use crate::{
    affected::Item,
    config::Config,
    finding::{Finding, quoted},
    identity::Identity,
    ordered::Ordered,
};

/// Stands in a planned input for the deployment's id: each try has its own, which is filled in when the
/// dispatch is made. The control characters keep it apart from whatever a list or a rule may say.
pub const ID_MARK: &str = "\u{1}deployment_id\u{1}";

/// More findings of one kind than this help nobody.
pub const MOST_FINDINGS: usize = 200;

/// The merged (or to be merged) pull request a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// `owner/name`
    pub repository: String,
    /// The pull request's number.
    pub pull_request: u64,
    /// The commit the merge made; what is applied.
    pub merge_commit: String,
    /// The last commit of the pull request's branch.
    pub head_sha: String,
    /// The branch it was merged into.
    pub base_ref: String,
    /// The input `comment-key`.
    pub comment_key: String,
    /// Who wrote the pull request.
    pub author: String,
    /// Who merged it.
    pub merged_by: String,
    /// Other pull requests that the same push merged: this rollout deploys them too.
    pub together: Vec<Companion>,
    /// Those of all of them that carry the `skip-label`: what they alone change is not deployed.
    pub left_out: Vec<u64>,
}

/// A pull request that was merged together with the one a rollout is shown on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Companion {
    /// Its number.
    pub number: u64,
    /// Who wrote it.
    pub author: String,
    /// Who merged it.
    pub merged_by: String,
}

/// One component going to one environment by one workflow run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planned {
    /// What is deployed.
    pub component: String,
    /// The stack, where there is one.
    pub stack: Option<String>,
    /// The component's type, where there is one.
    pub kind: Option<String>,
    /// The GitHub environment; empty where the item is not deployed.
    pub environment: String,
    /// The workflow's file name; empty where the item is not deployed.
    pub workflow: String,
    /// The branch or tag the workflow is dispatched on.
    pub git_ref: String,
    /// The inputs as list and rules set them, with [`ID_MARK`] where the id goes.
    pub inputs: BTreeMap<String, String>,
    /// What must have succeeded before: indices into the plan, each smaller than this one's own.
    pub needs: Vec<usize>,
    /// Set where the item is deliberately not deployed: the reason.
    pub skip: Option<String>,
    /// Which setting or rule decided.
    pub why: String,
}

impl Planned {
    /// The id of the given try.
    pub fn id(&self, subject: &Subject, tries: u32) -> String {
        Identity {
            repository: &subject.repository,
            pull_request: subject.pull_request,
            merge_commit: &subject.merge_commit,
            comment_key: &subject.comment_key,
            component: &self.component,
            stack: self.stack.as_deref(),
            kind: self.kind.as_deref(),
            environment: &self.environment,
            workflow: &self.workflow,
            tries,
        }
        .id()
    }

    /// How messages name it: `vpc` or `vpc in plat-use2-dev`.
    pub fn name(&self) -> String {
        match &self.stack {
            Some(stack) => format!("{} in {}", quoted(&self.component), quoted(stack)),
            None => quoted(&self.component),
        }
    }
}

/// Makes the plan: maps every item, then orders what comes of it. With it come the warnings.
///
/// # Errors
/// Everything that is wrong with the items, all at once.
pub fn make(subject: &Subject, config: &Config, items: &[Item]) -> Result<(Vec<Planned>, Vec<Finding>), Vec<Finding>> {
    let mut findings = Vec::new();
    let mut mapped = Vec::new();
    for item in items {
        match map::map(subject, config, item) {
            Ok(planned) => mapped.push(planned),
            Err(more) => findings.extend(more),
        }
    }
    if findings.is_empty() {
        findings = settle(items, &mut mapped);
    }
    if !findings.is_empty() {
        return Err(at_most(MOST_FINDINGS, findings.into_iter()));
    }
    let present: BTreeSet<String> = mapped.iter().flatten().map(|planned| planned.environment.clone()).ordered();
    let mut warnings = config.warnings.clone();
    warnings.extend(config.doubts(&present));
    let planned = order::order(config, items, mapped).map_err(|finding| vec![finding])?;
    Ok((planned, warnings))
}

/// The first findings, and how many more there are.
pub fn at_most(most: usize, mut all: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all.by_ref().take(most).collect();
    let more = all.count();
    if more > 0 {
        findings.push(Finding::mapping(format!("{more} more"), "have the same kind of mistake", "Mend these first"));
    }
    findings
}

/// Finds components that would go to one environment twice by one workflow, which would be two deployments
/// with one identity. Two paths of one component that are deployed in the same way are one.
fn settle(items: &[Item], mapped: &mut [Vec<Planned>]) -> Vec<Finding> {
    let mut seen: HashMap<[String; 5], (Planned, bool)> = HashMap::new();
    let mut findings = Vec::new();
    for (item, rows) in items.iter().zip(mapped) {
        let of_path = item.chosen.is_some();
        rows.retain(|row| {
            let key = [
                row.component.clone(),
                row.stack.clone().unwrap_or_default(),
                row.kind.clone().unwrap_or_default(),
                row.environment.to_lowercase(),
                row.workflow.clone(),
            ];
            match seen.get(&key) {
                Some((first, true)) if of_path && same(first, row) => return false,
                Some((first, _)) if row.skip.is_none() => findings.push(twice(first, row)),
                Some(_) => {}
                None => drop(seen.insert(key, (row.clone(), of_path))),
            }
            true
        });
    }
    findings
}

/// Whether two rows say the same, whichever rules say it.
fn same(one: &Planned, other: &Planned) -> bool {
    let bare =
        |row: &Planned| Planned { why: String::new(), skip: row.skip.as_ref().map(|_| String::new()), ..row.clone() };
    bare(one) == bare(other)
}

fn twice(first: &Planned, second: &Planned) -> Finding {
    Finding::mapping(
        second.name(),
        format!(
            "goes to {} twice by workflow {}: by {} and by {}",
            quoted(&second.environment),
            quoted(&second.workflow),
            first.why,
            second.why
        ),
        "List it once, or tell the two apart by component or stack (a rule's path can capture `{component}` and `{stack}`)",
    )
}

/// What betrays an environment's name as a template that was not rendered.
pub fn unrendered(name: &str) -> Option<&'static str> {
    if name.contains("{{") {
        Some("contains `{{`")
    } else if name.contains("<no value>") {
        Some("contains `<no value>`")
    } else if name.split(['-', '/']).any(|segment| segment.trim().is_empty()) {
        Some("has an empty segment")
    } else {
        None
    }
}

/// The file name of a workflow, which may be given with its folder.
pub fn workflow_file(given: &str) -> Option<String> {
    let name = given.strip_prefix(".github/workflows/").unwrap_or(given);
    let usable = !name.contains(['/', '\\']) && !name.chars().any(char::is_control);
    (usable && (name.ends_with(".yml") || name.ends_with(".yaml"))).then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
