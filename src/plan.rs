//! The plan: which deployments a merged pull request means, in which order, and why.
//!
//! A plan is a value. It is made by reading only, can be printed and compared, and is carried out later.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    affected::{Dispatch, Item, Need, Wish},
    checks::Check,
    finding::{Finding, quoted},
    graph,
    identity::Identity,
};

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
    /// The inputs as list and rules set them.
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

/// What becomes of one item.
enum Mapping {
    Deploy(Vec<Target>),
    Skip { reason: String, why: String },
}

struct Target {
    environment: String,
    workflow: String,
    inputs: BTreeMap<String, String>,
    why: String,
}

/// Makes the plan: maps every item, then orders what comes of it.
///
/// # Errors
/// Everything that is wrong with the items, all at once.
pub fn make(subject: &Subject, items: &[Item]) -> Result<Vec<Planned>, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut mappings = Vec::new();
    for item in items {
        match map(item) {
            Ok(mapping) => mappings.push(mapping),
            Err(finding) => findings.push(finding),
        }
    }
    let needs: Vec<Vec<usize>> =
        items.iter().map(|item| item.needs.iter().map(|Need::Item(index)| *index).collect()).collect();
    let order = graph::order(&needs).map_err(|cycle| findings.push(cycle_finding(items, &cycle)));
    match order {
        Ok(order) if findings.is_empty() => Ok(expand(subject, items, mappings, &needs, &order)),
        _ => Err(findings),
    }
}

fn cycle_finding(items: &[Item], cycle: &[usize]) -> Finding {
    let names: Vec<String> =
        cycle.iter().chain(cycle.first()).filter_map(|index| items.get(*index)).map(Item::name).collect();
    Finding::error(
        "dependencies",
        format!("form a cycle: {}", names.join(" needs ")),
        "Remove one of these dependencies where the components declare them (for Atmos, `settings.depends_on` or `dependencies`)",
    )
    .by(Check::Cycle)
}

fn map(item: &Item) -> Result<Mapping, Finding> {
    match &item.wish {
        Wish::Skip(reason) => Ok(Mapping::Skip { reason: reason.clone(), why: "`settings.pro`".to_owned() }),
        Wish::Dispatch(dispatches) => {
            dispatches.iter().map(|dispatch| target(item, dispatch)).collect::<Result<Vec<_>, _>>().map(Mapping::Deploy)
        }
        Wish::Silent if item.deleted => Ok(Mapping::Skip {
            reason: "it was deleted, and no rule says what to do with a deleted component".to_owned(),
            why: "no rule".to_owned(),
        }),
        Wish::Silent => Err(Finding::error(
            item.name(),
            "nothing maps it to an environment: it has no `settings.pro.pull_request.merged`",
            "Give it these settings and run `atmos describe affected` with `--include-settings`",
        )),
    }
}

/// A target as Atmos Pro's settings describe it.
fn target(item: &Item, dispatch: &Dispatch) -> Result<Target, Finding> {
    let refuse = |problem: String, remedy: &str| Err(Finding::error(item.name(), problem, remedy));
    let Some(workflow) = workflow_file(&dispatch.workflow) else {
        return refuse(
            format!("its workflow `{}` is no file in `.github/workflows`", dispatch.workflow),
            "Name the file alone, such as `terraform-apply.yml`",
        );
    };
    let named = ["github_environment", "environment"]
        .iter()
        .find_map(|name| Some((*name, dispatch.inputs.get(*name).filter(|value| !value.is_empty())?)));
    let Some((input, environment)) = named else {
        return refuse(
            format!("its workflow `{workflow}` is given no environment"),
            "Set the input `github_environment` (or `environment`) in `settings.pro.pull_request.merged.workflows`",
        );
    };
    if let Some(what) = unrendered(environment) {
        return refuse(
            format!("its environment `{environment}` {what}: a template that was not rendered"),
            "Look at the template of this input in the stack's settings",
        );
    }
    Ok(Target {
        environment: environment.clone(),
        workflow,
        inputs: dispatch.inputs.clone(),
        why: format!("`settings.pro`, input `{input}`"),
    })
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

/// Lays out the deployments in order, with their needs.
fn expand(
    subject: &Subject,
    items: &[Item],
    mappings: Vec<Mapping>,
    needs: &[Vec<usize>],
    order: &[usize],
) -> Vec<Planned> {
    let mut mappings: Vec<Option<Mapping>> = mappings.into_iter().map(Some).collect();
    // What each item's dependents have to wait for; a skipped item hands on what it needs itself.
    let mut stands: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); items.len()];
    let mut plan: Vec<Planned> = Vec::new();
    for &index in order {
        let (Some(item), Some(mapping)) = (items.get(index), mappings.get_mut(index).and_then(Option::take)) else {
            continue;
        };
        let parents: Vec<&BTreeSet<usize>> =
            needs.get(index).into_iter().flatten().filter_map(|need| stands.get(*need)).collect();
        let (made, own) = match mapping {
            Mapping::Skip { reason, why } => {
                let handed_on = parents.into_iter().flatten().copied().collect();
                let skipped = Planned { skip: Some(reason), why, ..named(item) };
                (vec![skipped], handed_on)
            }
            Mapping::Deploy(targets) => {
                let made: Vec<Planned> = targets
                    .into_iter()
                    .map(|target| Planned {
                        needs: needed(&plan, &parents, &target.environment),
                        environment: target.environment,
                        workflow: target.workflow,
                        git_ref: subject.base_ref.clone(),
                        inputs: target.inputs,
                        why: target.why,
                        ..named(item)
                    })
                    .collect();
                let own = (plan.len()..plan.len() + made.len()).collect();
                (made, own)
            }
        };
        plan.extend(made);
        if let Some(slot) = stands.get_mut(index) {
            *slot = own;
        }
    }
    plan
}

fn named(item: &Item) -> Planned {
    Planned {
        component: item.component.clone(),
        stack: item.stack.clone(),
        kind: item.kind.clone(),
        ..Planned::default()
    }
}

/// A needed component's deployment in the same environment, else all of them.
fn needed(plan: &[Planned], parents: &[&BTreeSet<usize>], environment: &str) -> Vec<usize> {
    let same =
        |index: &usize| plan.get(*index).is_some_and(|planned| planned.environment.eq_ignore_ascii_case(environment));
    let needs: BTreeSet<usize> = parents
        .iter()
        .flat_map(|all| {
            let here: Vec<usize> = all.iter().copied().filter(same).collect();
            if here.is_empty() { all.iter().copied().collect() } else { here }
        })
        .collect();
    needs.into_iter().collect()
}
