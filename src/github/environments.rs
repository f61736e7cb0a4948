//! Environments and their protection rules.
//!
//! <https://docs.github.com/en/rest/deployments/environments#list-environments>

use serde::Deserialize;

use super::{Github, Trouble, runs::ReviewerWire, workflows::segment};
use crate::run::Reviewer;

/// An environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// Its name; GitHub compares names without regard to case.
    pub name: String,
    /// What holds a deployment back; `None` where the answer does not tell.
    pub rules: Option<Rules>,
    /// Which refs may deploy there.
    pub policy: Policy,
}

/// Protection rules.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/deployments-and-environments#deployment-protection-rules>
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// One of them must approve.
    pub reviewers: Vec<Reviewer>,
    /// Who started a deployment may not approve it.
    pub prevent_self_review: bool,
    /// The wait timer in minutes; 0: none.
    pub wait_minutes: u64,
    /// Apps that must agree.
    pub apps: Vec<String>,
}

/// Which refs may deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// All.
    #[default]
    Any,
    /// Protected branches.
    Protected,
    /// Those that match a pattern.
    Patterns,
}

/// A pattern of a branch policy.
/// <https://docs.github.com/en/rest/deployments/branch-policies#list-deployment-branch-policies>
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pattern {
    /// As Ruby's `File.fnmatch` reads it.
    #[serde(default)]
    pub name: String,
    /// `branch` or `tag`; a server that does not tell means branches.
    #[serde(rename = "type", default = "branch")]
    pub kind: String,
}

fn branch() -> String {
    "branch".to_owned()
}

impl Rules {
    /// Something holds a deployment back. A branch policy alone asks nobody.
    pub fn protect(&self) -> bool {
        !self.reviewers.is_empty() || self.wait_minutes > 0 || !self.apps.is_empty()
    }
}

#[derive(Deserialize)]
struct Page {
    /// GitHub's description does not promise it.
    #[serde(default)]
    environments: Vec<Wire>,
}

#[derive(Deserialize)]
struct Wire {
    name: String,
    #[serde(default)]
    protection_rules: Option<Vec<RuleWire>>,
    #[serde(default)]
    deployment_branch_policy: Option<PolicyWire>,
}

#[derive(Deserialize)]
struct RuleWire {
    #[serde(default)]
    wait_timer: Option<u64>,
    #[serde(default)]
    prevent_self_review: Option<bool>,
    #[serde(default)]
    reviewers: Option<Vec<ReviewerWire>>,
}

#[derive(Deserialize)]
struct PolicyWire {
    #[serde(default)]
    protected_branches: bool,
    #[serde(default)]
    custom_branch_policies: bool,
}

#[derive(Deserialize)]
struct PatternsWire {
    branch_policies: Vec<Pattern>,
}

#[derive(Deserialize)]
struct AppsWire {
    #[serde(default)]
    custom_deployment_protection_rules: Vec<AppRuleWire>,
}

#[derive(Deserialize)]
struct AppRuleWire {
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    app: Option<AppWire>,
}

#[derive(Deserialize)]
struct AppWire {
    #[serde(default)]
    slug: String,
}

#[derive(Deserialize)]
struct BranchWire {
    name: String,
}

impl From<Wire> for Environment {
    fn from(wire: Wire) -> Self {
        let rules = wire.protection_rules.map(|wires| {
            let mut rules = Rules::default();
            for rule in wires {
                rules.wait_minutes = rules.wait_minutes.max(rule.wait_timer.unwrap_or(0));
                rules.prevent_self_review |= rule.prevent_self_review.unwrap_or(false);
                rules.reviewers.extend(rule.reviewers.into_iter().flatten().filter_map(ReviewerWire::reviewer));
            }
            rules
        });
        let policy = match wire.deployment_branch_policy {
            Some(PolicyWire { custom_branch_policies: true, .. }) => Policy::Patterns,
            Some(PolicyWire { protected_branches: true, .. }) => Policy::Protected,
            _ => Policy::Any,
        };
        Self { name: wire.name, rules, policy }
    }
}

impl Github {
    /// All environments of the repository. Custom rules are not among their rules.
    pub async fn environments(&self) -> Result<Vec<Environment>, Trouble> {
        let wires = self.all_in(&format!("{}/environments", self.repo), 100, |page: Page| page.environments).await?;
        Ok(wires.into_iter().map(Environment::from).collect())
    }

    /// The apps whose custom rules must agree.
    /// <https://docs.github.com/en/rest/deployments/protection-rules#get-all-deployment-protection-rules-for-an-environment>
    pub async fn custom_rules(&self, environment: &str) -> Result<Vec<String>, Trouble> {
        let path = format!("{}/environments/{}/deployment_protection_rules", self.repo, segment(environment));
        let wire: AppsWire = self.get(&path).await?;
        let enabled = wire.custom_deployment_protection_rules.into_iter().filter(|rule| rule.enabled);
        Ok(enabled.map(|rule| rule.app.map_or_else(|| "an app".to_owned(), |app| app.slug)).collect())
    }

    /// The patterns of an environment's branch policy: a page of a hundred, which nobody has used up.
    pub async fn branch_patterns(&self, environment: &str) -> Result<Vec<Pattern>, Trouble> {
        let path =
            format!("{}/environments/{}/deployment-branch-policies?per_page=100", self.repo, segment(environment));
        let wire: PatternsWire = self.get(&path).await?;
        Ok(wire.branch_policies)
    }

    /// The branches that branch protection or a ruleset protects.
    /// <https://docs.github.com/en/rest/branches/branches#list-branches>
    pub async fn protected_branches(&self) -> Result<Vec<String>, Trouble> {
        let wires: Vec<BranchWire> = self.all(&format!("{}/branches?protected=true", self.repo), 10).await?;
        Ok(wires.into_iter().map(|wire| wire.name).collect())
    }
}
