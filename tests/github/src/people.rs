//! Who acts here: people, the token's bot, and teams.

use serde_json::{Value, json};

use crate::wire::digest;

/// A user, or a bot such as `github-actions[bot]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub login: String,
    pub id: u64,
    /// `User` or `Bot`.
    pub kind: String,
}

impl User {
    /// A person, with an id that depends on the name alone.
    pub fn named(login: &str) -> User {
        let hex = digest(login);
        let id = u64::from_str_radix(&hex[..6], 16).unwrap_or(1);
        let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
        User { login: login.to_owned(), id, kind: kind.to_owned() }
    }

    /// The identity of GITHUB_TOKEN on github.com.
    pub fn github_actions() -> User {
        User { login: "github-actions[bot]".to_owned(), id: 41_898_282, kind: "Bot".to_owned() }
    }

    /// As an identifier in GraphQL and in `node_id`.
    pub fn node_id(&self) -> String {
        format!("U_{:010}", self.id)
    }

    /// `simple-user`.
    pub fn json(&self, api: &str, server: &str) -> Value {
        let login = &self.login;
        let slug = login.replace('[', "%5B").replace(']', "%5D");
        let url = format!("{api}/users/{slug}");
        let html = match login.strip_suffix("[bot]") {
            Some(app) => format!("{server}/apps/{app}"),
            None => format!("{server}/{login}"),
        };
        json!({
            "login": login, "id": self.id, "node_id": self.node_id(),
            "avatar_url": format!("{server}/avatars/u/{}", self.id), "gravatar_id": "",
            "url": url, "html_url": html,
            "followers_url": format!("{url}/followers"),
            "following_url": format!("{url}/following{{/other_user}}"),
            "gists_url": format!("{url}/gists{{/gist_id}}"),
            "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{url}/subscriptions"),
            "organizations_url": format!("{url}/orgs"),
            "repos_url": format!("{url}/repos"),
            "events_url": format!("{url}/events{{/privacy}}"),
            "received_events_url": format!("{url}/received_events"),
            "type": self.kind, "site_admin": false, "user_view_type": "public",
        })
    }
}

impl From<&str> for User {
    fn from(login: &str) -> User {
        User::named(login)
    }
}

/// Who may approve a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reviewer {
    User(User),
    /// By slug.
    Team(String),
}

impl Reviewer {
    pub(crate) fn json(&self, api: &str, server: &str, owner: &str) -> Value {
        match self {
            Reviewer::User(user) => json!({"type": "User", "reviewer": user.json(api, server)}),
            Reviewer::Team(slug) => {
                json!({"type": "Team", "reviewer": team(slug, api, server, owner)})
            }
        }
    }
}

fn team(slug: &str, api: &str, server: &str, owner: &str) -> Value {
    let id = User::named(slug).id;
    let url = format!("{api}/organizations/{}/team/{id}", User::named(owner).id);
    json!({
        "id": id, "node_id": format!("T_{id:08}"), "name": slug, "slug": slug, "description": null,
        "privacy": "closed", "notification_setting": "notifications_enabled", "permission": "pull",
        "url": url, "html_url": format!("{server}/orgs/{owner}/teams/{slug}"),
        "members_url": format!("{url}/members{{/member}}"),
        "repositories_url": format!("{url}/repos"), "type": "organization", "parent": null,
    })
}
