//! What the repository gives to make a plan of: the affected list or the changed files, and the config file.
//!
//! What lies in the workspace is read at once, so that its mistakes are told before anything is asked of
//! GitHub. What does not is asked for later, at the merge commit.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};

use crate::{
    Failure,
    affected::{self, Item, Line, List, Sight},
    config::Config,
    context::Context,
    finding::{Finding, quoted},
    github::{Github, Pull, Trouble},
    inputs::{Inputs, default_of},
    plan,
    workspace::{self, Unread},
};

/// GitHub lists no more files of a pull request than this.
/// <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files>
const MOST_FILES: u64 = 3000;

/// Folders asked about at the same time.
const AT_ONCE: usize = 5;

/// What the workspace has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    list: Option<List>,
    /// `None`: it is not in the workspace.
    config: Option<Config>,
}

/// What a plan is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Basis {
    /// The rules.
    pub config: Config,
    /// The components.
    pub items: Vec<Item>,
    /// What is wrong with the list, found by the rules.
    pub findings: Vec<Finding>,
}

impl Given {
    /// Reads what lies in the workspace.
    ///
    /// # Errors
    /// All mistakes of list and config.
    pub fn read(inputs: &Inputs, context: &Context) -> Result<Self, Vec<String>> {
        let list = inputs.affected.as_ref().map(|file| affected::read(&context.workspace, file)).transpose();
        let config = match workspace::read(&context.workspace, &inputs.config) {
            Ok(text) => Config::parse(&inputs.config, &text).map(Some),
            Err(Unread::Missing(_)) => Ok(None),
            Err(Unread::Unusable(what)) => Err(vec![format!("input `config`: file `{}` {what}", inputs.config)]),
        };
        match (list, config) {
            (Ok(list), Ok(config)) => {
                let given = Self { list, config };
                if let Some(config) = &given.config {
                    given.usable(config).map_err(|mistake| vec![mistake])?;
                }
                Ok(given)
            }
            (list, config) => {
                let mut mistakes: Vec<String> = list.err().into_iter().collect();
                mistakes.extend(config.err().unwrap_or_default());
                Err(mistakes)
            }
        }
    }

    /// Without a list, only rules with `path` can find anything.
    fn usable(&self, config: &Config) -> Result<(), String> {
        if self.list.is_some() || config.rules.iter().any(|rule| rule.matcher.path.is_some()) {
            return Ok(());
        }
        let what = if config.file.is_empty() {
            "there is no config file".to_owned()
        } else {
            format!("config {} has no rule with `path`", quoted(&config.file))
        };
        Err(format!(
            "input `affected` is empty, and {what}: name the file that lists the affected components, or write rules \
             that map the pull request's changed files by their `path`"
        ))
    }

    /// The config, asked for at `commit` where the workspace has none.
    ///
    /// # Errors
    /// It has mistakes, it must be there and is not, or GitHub cannot be asked.
    pub async fn config(&self, github: &Github, inputs: &Inputs, commit: &str) -> Result<Config, Failure> {
        if let Some(config) = &self.config {
            return Ok(config.clone());
        }
        let file = inputs.config.trim_start_matches("./");
        let config = match github.file(file, commit).await {
            Ok(text) => Config::parse(file, &text).map_err(Failure::Mistakes)?,
            Err(Trouble::NotFound { .. }) if inputs.config == default_of("config") => Config::default(),
            Err(Trouble::NotFound { .. }) => {
                return Err(format!(
                    "input `config`: file {} is neither in the workspace nor in the repository at commit {commit}: \
                     correct its name, or leave the input empty",
                    quoted(file)
                )
                .into());
            }
            Err(trouble) => return Err(trouble.into()),
        };
        self.usable(&config)?;
        Ok(config)
    }

    /// The affected components: those of the list, or those the changed files belong to.
    ///
    /// # Errors
    /// GitHub cannot be asked, or lists too few files.
    pub async fn basis(
        &self,
        github: &Github,
        config: Config,
        pulls: &[&Pull],
        commit: &str,
    ) -> Result<Basis, Failure> {
        match &self.list {
            Some(List::Items(items)) => Ok(Basis { config, items: items.clone(), findings: Vec::new() }),
            Some(List::Lines(lines)) => Ok(of_lines(config, lines)),
            None => {
                let mut sights = Vec::new();
                for pull in pulls {
                    sights.extend(changed(github, pull).await?);
                }
                let folders = affected::folders(&config, &sights);
                let gone = gone(github, folders, commit).await?;
                let mapped = affected::map(&config, &sights, &gone);
                tracing::info!(
                    "{} changed files belong to {} components; {} match no rule and are left out",
                    sights.len() - mapped.rest.len(),
                    mapped.items.len(),
                    mapped.rest.len()
                );
                Ok(Basis { config, items: mapped.items, findings: Vec::new() })
            }
        }
    }
}

fn of_lines(config: Config, lines: &[Line]) -> Basis {
    let sights: Vec<Sight> =
        lines.iter().map(|line| Sight { path: line.text.clone(), removed: false, line: Some(line.number) }).collect();
    let mapped = affected::map(&config, &sights, &BTreeSet::new());
    let remedy = plan::rule_remedy(&config);
    let unmapped = mapped.rest.iter().filter_map(|index| sights.get(*index)).map(|sight| {
        Finding::error(
            format!("{} (line {} of the list)", quoted(&sight.path), sight.line.unwrap_or_default()),
            "nothing maps it to an environment: no rule matches it by `path` or `component`",
            format!("In a list every line counts: {remedy}"),
        )
    });
    let findings = plan::at_most(plan::MOST_FINDINGS, unmapped);
    Basis { config, items: mapped.items, findings }
}

/// The files a pull request changes; one that moved counts at both names.
async fn changed(github: &Github, pull: &Pull) -> Result<Vec<Sight>, Failure> {
    let number = pull.number;
    let refused = || {
        Failure::from(format!(
            "pull request #{number} changes more files than the {MOST_FILES} GitHub lists: give the affected components \
             by the input `affected`, such as the output of `git diff --name-only`"
        ))
    };
    if pull.changed_files.is_some_and(|count| count > MOST_FILES) {
        return Err(refused());
    }
    let files = github.changed_files(number).await?;
    let listed = files.len() as u64;
    if pull.changed_files.map_or(listed >= MOST_FILES, |count| count > listed && listed >= MOST_FILES) {
        return Err(refused());
    }
    Ok(files
        .into_iter()
        .flat_map(|file| {
            let before = file.previous.map(|path| Sight { path, removed: true, line: None });
            [Some(Sight { path: file.path, removed: file.removed, line: None }), before].into_iter().flatten()
        })
        .collect())
}

/// Which of the folders are no longer there at the commit.
async fn gone(github: &Github, folders: BTreeSet<String>, commit: &str) -> Result<BTreeSet<String>, Trouble> {
    let asked = stream::iter(folders).map(|folder| async move {
        let there = github.exists(&folder, commit).await?;
        Ok((!there).then_some(folder))
    });
    let answers: Vec<Result<Option<String>, Trouble>> = asked.buffered(AT_ONCE).collect().await;
    answers.into_iter().filter_map(Result::transpose).collect()
}
