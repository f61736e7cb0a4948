//! Environments and their protection rules.
//!
//! <https://docs.github.com/en/rest/deployments/environments#list-environments>

use serde::Deserialize;

use super::{Github, Trouble, has_next, http::Call, parse};

/// An environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name; GitHub compares names without regard to case.
    pub name: String,
    /// Something holds a deployment back: reviewers, a wait timer, or a custom rule. A branch policy alone
    /// asks nobody.
    pub protected: bool,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    environments: Vec<Wire>,
}

#[derive(Deserialize)]
struct Wire {
    name: String,
    #[serde(default)]
    protection_rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type", default)]
    kind: String,
}

impl Github {
    /// All environments of the repository.
    pub async fn environments(&self) -> Result<Vec<Environment>, Trouble> {
        let mut all = Vec::new();
        for page in 1..=100 {
            let path = format!("{}/environments?per_page=100&page={page}", self.repo);
            let reply = self.http.send(&Call::get(&path)).await?;
            let wire: Page = parse(&reply, &path)?;
            let full = wire.environments.len() >= 100;
            all.extend(wire.environments.into_iter().map(|wire| Environment {
                protected: wire.protection_rules.iter().flatten().any(|rule| rule.kind != "branch_policy"),
                name: wire.name,
            }));
            if !has_next(&reply, full) {
                break;
            }
        }
        Ok(all)
    }
}
