//! Checks of environments. GitHub creates an unprotected one when a job names one that does not exist: a typo
//! would deploy without a gate.

use super::{Answer, Facts, Open, WorkflowFacts, by, jobs, names, patterns};
use crate::{
    checks::Check,
    finding::{Finding, Severity, quoted},
    github::{Environment, Policy, Rules, Trouble},
    inputs::EnvironmentCheck,
};

/// The environment of that name; GitHub compares without regard to case.
pub fn find<'a>(listed: &'a [Environment], name: &str) -> Option<&'a Environment> {
    let wanted = name.to_lowercase();
    listed.iter().find(|environment| environment.name.to_lowercase() == wanted)
}

/// Everything that is wrong with the environments that are deployed to.
pub fn findings(open: &[Open<'_>], facts: &Facts, check: EnvironmentCheck) -> Vec<Finding> {
    let listed = match &facts.environments {
        None => return Vec::new(),
        Some(Err(trouble)) => return vec![unlisted(open, trouble)],
        Some(Ok(listed)) => listed,
    };
    let mut found = Vec::new();
    for (_, users) in by(open, |one| one.planned.environment.to_lowercase()) {
        let name = users.first().map_or("", |one| one.planned.environment.as_str());
        let of_it = match find(listed, name) {
            None => vec![missing(name, listed)],
            Some(environment) => {
                let mut of_it: Vec<Finding> = protection(environment, facts, check).into_iter().collect();
                of_it.extend(self_review(environment));
                let mut refs: Vec<&str> = users.iter().map(|one| one.planned.git_ref.as_str()).collect();
                refs.sort_unstable();
                refs.dedup();
                of_it.extend(refs.into_iter().filter_map(|git_ref| admission(environment, git_ref, facts, check)));
                of_it
            }
        };
        found.extend(of_it.into_iter().map(|finding| {
            finding.about(format!("environment {}", quoted(name))).environment(name).concerning(names(&users))
        }));
    }
    found.extend(beside(open, facts, listed));
    found
}

/// Further environments that jobs take: naming an unknown one would create it, whoever meant it.
fn beside(open: &[Open<'_>], facts: &Facts, listed: &[Environment]) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in open {
        let Some(declared) = facts.workflows.get(&one.source()).and_then(WorkflowFacts::declared) else {
            continue;
        };
        let names = jobs::names(one, declared, facts);
        if !names.iter().any(|name| name.to_lowercase() == one.planned.environment.to_lowercase()) {
            // That no job takes the planned one is said already.
            continue;
        }
        let unknown = names.into_iter().filter(|name| {
            name.to_lowercase() != one.planned.environment.to_lowercase() && find(listed, name).is_none()
        });
        found.extend(unknown.map(|name| {
            missing(&name, listed)
                .about(format!("environment {}, which workflow {} takes", quoted(&name), quoted(&one.planned.workflow)))
                .environment(&name)
                .concerning([one.planned.name()])
        }));
    }
    found
}

/// Nothing is known of any environment, so nothing is deployed.
fn unlisted(open: &[Open<'_>], trouble: &Trouble) -> Finding {
    let remedy = match trouble {
        Trouble::Forbidden { .. } => "Give the token the permission that is missing",
        // <https://docs.github.com/en/actions/how-tos/deploy/configure-and-manage-deployments/manage-environments>
        Trouble::NotFound { .. } => {
            "A private repository has environments with GitHub Pro, Team or Enterprise alone. To deploy without gates, set `environment-check: off`"
        }
        _ => "Try again; if it stays so, look at what this server answers",
    };
    let users: Vec<&Open<'_>> = open.iter().collect();
    Finding::of(Check::EnvironmentUnreadable, Severity::Error, format!("cannot be read: {trouble}"), remedy)
        .about("the repository's environments")
        .concerning(names(&users))
}

fn missing(name: &str, listed: &[Environment]) -> Finding {
    let mut remedy = nearest(name, listed).map_or_else(String::new, |near| format!("Did you mean {}? ", quoted(near)));
    remedy.push_str("Correct the name where components are mapped to it, or create it under Settings → Environments");
    let problem = "does not exist; GitHub would create it without any protection";
    Finding::of(Check::EnvironmentMissing, Severity::Error, problem, remedy)
}

/// The name that differs least, if it is near at all.
fn nearest<'a>(name: &str, listed: &'a [Environment]) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    let far = (wanted.len() / 3).max(2);
    listed
        .iter()
        .map(|environment| {
            let other: Vec<char> = environment.name.to_lowercase().chars().collect();
            (distance(&wanted, &other), environment.name.as_str())
        })
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be put in, taken out or replaced.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.iter().enumerate() {
        let mut corner = index;
        let mut left = index + 1;
        let mut next = vec![left];
        for (above, candidate) in row.iter().skip(1).zip(other) {
            left = (left + 1).min(above + 1).min(corner + usize::from(letter != candidate));
            corner = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// An error where `protected` demands to know, else a warning.
fn stricter(check: EnvironmentCheck) -> Severity {
    if check == EnvironmentCheck::Protected { Severity::Error } else { Severity::Warning }
}

/// Whether anything holds a deployment back. Under `protected`, not knowing is refused.
fn protection(environment: &Environment, facts: &Facts, check: EnvironmentCheck) -> Option<Finding> {
    let Some(rules) = &environment.rules else {
        let problem = "cannot be read: GitHub's answer has no protection rules for it";
        let remedy = "Look at its rules under Settings → Environments, and at the token's permissions";
        return Some(Finding::of(Check::EnvironmentUnreadable, stricter(check), problem, remedy));
    };
    if rules.protect() {
        return None;
    }
    let custom = facts.apps.get(&environment.name);
    match custom {
        Some(Ok(apps)) if !apps.is_empty() => None,
        Some(Err(trouble)) => {
            let problem = format!("cannot be read: whether it has custom protection rules ({trouble})");
            let remedy = "Give it required reviewers, or the token the permission that is missing";
            Some(Finding::of(Check::EnvironmentUnreadable, stricter(check), problem, remedy))
        }
        _ => {
            let problem = "has no required reviewers, wait timer or custom rule: what goes there is applied at once";
            let remedy = match check {
                EnvironmentCheck::Protected => {
                    "Protect it under Settings → Environments (in private repositories these rules need GitHub Enterprise), or accept it with `environment-check: exists`"
                }
                _ => {
                    "If that is not intended, protect it under Settings → Environments; in private repositories these rules need GitHub Enterprise"
                }
            };
            Some(Finding::of(Check::EnvironmentUnprotected, stricter(check), problem, remedy))
        }
    }
}

/// GitHub compares the approver with who started the run, and that is the token's bot.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/deployments-and-environments#required-reviewers>
fn self_review(environment: &Environment) -> Option<Finding> {
    environment.rules.as_ref().filter(|rules| rules.prevent_self_review)?;
    let problem = "prevents self-review, and cannot see who merged: the deployments are started by the token's bot";
    let remedy = "Look at the decisions in the summary: an approval by the author or the merger is marked there";
    Some(Finding::of(Check::SelfReview, Severity::Warning, problem, remedy))
}

/// A ref as policies see it.
struct Ref<'a> {
    name: &'a str,
    branch: bool,
    tag: bool,
}

impl<'a> Ref<'a> {
    /// A bare name may be either.
    fn of(git_ref: &'a str) -> Self {
        if let Some(name) = git_ref.strip_prefix("refs/heads/") {
            return Self { name, branch: true, tag: false };
        }
        if let Some(name) = git_ref.strip_prefix("refs/tags/") {
            return Self { name, branch: false, tag: true };
        }
        Self { name: git_ref, branch: true, tag: true }
    }
}

/// Whether the branch policy admits the ref: a run from another would fail before its job begins.
fn admission(environment: &Environment, git_ref: &str, facts: &Facts, check: EnvironmentCheck) -> Option<Finding> {
    let wanted = Ref::of(git_ref);
    let verdict = match environment.policy {
        Policy::Any => return None,
        Policy::Protected => by_protection(&wanted, facts.protected_branches.as_ref()),
        Policy::Patterns => by_patterns(&wanted, environment, facts),
    };
    let (check, severity, problem, remedy) = match verdict {
        Ok(None) => return None,
        Ok(Some(allowed)) => (
            Check::EnvironmentRef,
            Severity::Error,
            format!("does not admit deployments from {}: {allowed}", quoted(git_ref)),
            "Allow it under Settings → Environments → Deployment branches and tags, or dispatch on a ref that is allowed",
        ),
        Err(why) => (
            Check::EnvironmentUnreadable,
            stricter(check),
            format!("cannot be read: which branches and tags may deploy there ({why})"),
            "Look at Settings → Environments → Deployment branches and tags, and at the token's permissions",
        ),
    };
    Some(Finding::of(check, severity, problem, remedy))
}

/// Where no branch is protected at all, all may deploy.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/deployments-and-environments#deployment-branches-and-tags>
fn by_protection(wanted: &Ref<'_>, branches: Option<&Answer<Vec<String>>>) -> Result<Option<String>, String> {
    match branches {
        None => Err("it was not asked for".to_owned()),
        Some(Err(trouble)) => Err(trouble.to_string()),
        Some(Ok(branches)) => {
            let admitted =
                wanted.branch && (branches.is_empty() || branches.iter().any(|branch| branch == wanted.name));
            Ok((!admitted).then(|| "it admits protected branches alone".to_owned()))
        }
    }
}

fn by_patterns(wanted: &Ref<'_>, environment: &Environment, facts: &Facts) -> Result<Option<String>, String> {
    let patterns = match facts.patterns.get(&environment.name) {
        None => return Err("it was not asked for".to_owned()),
        Some(Err(trouble)) => return Err(trouble.to_string()),
        Some(Ok(patterns)) => patterns,
    };
    let admitted = patterns.iter().any(|pattern| {
        let kind = if pattern.kind == "tag" { wanted.tag } else { wanted.branch };
        kind && patterns::admits(&pattern.name, wanted.name)
    });
    if admitted {
        return Ok(None);
    }
    let all: Vec<String> =
        patterns.iter().take(10).map(|pattern| format!("{} {}", pattern.kind, quoted(&pattern.name))).collect();
    Ok(Some(if all.is_empty() { "it admits none".to_owned() } else { format!("it admits {}", all.join(", ")) }))
}

/// The rules of an environment with what was asked beside the listing.
pub fn complete(environment: &Environment, facts: &Facts) -> Environment {
    let apps = facts.apps.get(&environment.name).and_then(|answer| answer.as_ref().ok()).cloned().unwrap_or_default();
    let rules = environment.rules.clone().map(|rules| Rules { apps, ..rules });
    Environment { rules, ..environment.clone() }
}
