//! What the repository gives to make a plan of: the affected list or the changed files, and the config file.
//!
//! What lies in the workspace is read at once. What does not is asked for later, at the merge commit. Mistakes
//! in it are findings: they stop a rollout that has not begun, and no other.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use crate::{
    affected::{self, Item, Line, List, Sight},
    checks::Check,
    config::Config,
    context::Context,
    finding::{Finding, Severity, quoted},
    github::{Folder, Github, Pull, Trouble},
    inputs::{Inputs, default_of},
    ordered::Ordered,
    plan,
    workspace::{self, Unread},
};

/// GitHub lists no more files of a pull request than this.
/// <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files>
const MOST_FILES: u64 = 3000;

/// A text list may name components in so many folders: each is asked for what lies in it by one request, and a
/// `GITHUB_TOKEN` has 1,000 an hour.
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>
const MOST_FOLDERS: usize = 1000;

/// Folders asked about at the same time.
const AT_ONCE: usize = 5;

/// What the workspace has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// `None`: the changed files stand for it.
    list: Result<Option<List>, Finding>,
    /// `None`: it is not in the workspace.
    config: Option<Result<Config, Vec<Finding>>>,
}

/// What a plan is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Basis {
    /// The rules.
    pub config: Config,
    /// The components.
    pub items: Vec<Item>,
    /// What is wrong with list or config: nothing can be planned.
    pub findings: Vec<Finding>,
}

impl Given {
    /// Reads what lies in the workspace.
    ///
    /// # Errors
    /// The inputs that name a file outside the workspace.
    pub fn read(inputs: &Inputs, context: &Context) -> Result<Self, Vec<String>> {
        let barred = |input: &str, file: &str, what: &str| format!("input `{input}`: file {} {what}", quoted(file));
        let mut mistakes = Vec::new();
        let list = match inputs.affected.as_ref().map(|file| (file, workspace::read(&context.workspace, file))) {
            None => Ok(None),
            Some((file, Ok(text))) => affected::parse(&text).map(Some).map_err(|what| unusable_list(file, what)),
            Some((file, Err(Unread::Barred(what)))) => {
                mistakes.push(barred("affected", file, &what));
                Ok(None)
            }
            Some((file, Err(unread))) => Err(unusable_list(file, unread.to_string())),
        };
        let file = &inputs.config;
        let config = match workspace::read(&context.workspace, file) {
            Ok(text) => Some(Config::parse(file.trim_start_matches("./"), &text)),
            Err(Unread::Missing(_)) => None,
            Err(Unread::Unusable(what)) => Some(Err(vec![no_config(file, what, "Correct it")])),
            Err(Unread::Barred(what)) => {
                mistakes.push(barred("config", file, &what));
                None
            }
        };
        if mistakes.is_empty() { Ok(Self { list, config }) } else { Err(mistakes) }
    }

    /// Whether a list names what is affected, and not the changed files.
    pub fn is_listed(&self) -> bool {
        !matches!(self.list, Ok(None))
    }

    /// Without a list, only rules with `path` can find anything.
    fn usable(&self, config: Config) -> Result<Config, Vec<Finding>> {
        if self.is_listed() || config.rules.iter().any(|rule| rule.matcher.path.is_some()) {
            return Ok(config);
        }
        let what = if config.file.is_empty() {
            "there is no config file".to_owned()
        } else {
            format!("config {} has no rule with `path`", quoted(&config.file))
        };
        let remedy = "Name the file that lists the affected components, or write rules that map the pull request's \
                      changed files by their `path`";
        Err(vec![list_error(format!("is empty, and {what}"), remedy).about("input `affected`")])
    }

    /// The config, asked for at `commit` where the workspace has none; or what is wrong with it.
    ///
    /// # Errors
    /// GitHub cannot be asked.
    pub async fn config(
        &self,
        github: &Github,
        inputs: &Inputs,
        pull: &Pull,
        commit: &str,
    ) -> Result<Result<Config, Vec<Finding>>, Trouble> {
        let config = match &self.config {
            Some(config) => config.clone(),
            None => {
                let file = inputs.config.trim_start_matches("./");
                match github.file(file, commit).await {
                    Ok(text) => Config::parse(file, &text).map_err(|mistakes| at_commit(mistakes, pull)),
                    Err(Trouble::NotFound { .. }) if inputs.config == default_of("config") => Ok(Config::default()),
                    Err(Trouble::NotFound { .. }) => {
                        let what = format!("is neither in the workspace nor in the repository at commit {commit}");
                        Err(vec![no_config(file, what, "Correct its name, or leave the input empty")])
                    }
                    Err(trouble) => return Err(trouble),
                }
            }
        };
        Ok(config.and_then(|config| self.usable(config)))
    }

    /// The affected components: those of the list, or those the changed files belong to. With it, everything
    /// that is wrong with list and config.
    ///
    /// # Errors
    /// GitHub cannot be asked.
    pub async fn basis(
        &self,
        github: &Github,
        config: Result<Config, Vec<Finding>>,
        pulls: &[&Pull],
        commit: &str,
    ) -> Result<Basis, Trouble> {
        let (list, config) = match (&self.list, config) {
            (Ok(list), Ok(config)) => (list, config),
            (list, config) => {
                let mut findings: Vec<Finding> = list.as_ref().err().cloned().into_iter().collect();
                findings.extend(config.err().unwrap_or_default());
                return Ok(Basis { findings, ..Basis::default() });
            }
        };
        match list {
            Some(List::Items(items)) => Ok(Basis { config, items: items.clone(), findings: Vec::new() }),
            Some(List::Lines(lines)) => of_lines(github, config, lines, commit).await,
            None => of_changes(github, config, pulls, commit).await,
        }
    }
}

fn list_error(problem: impl Into<String>, remedy: &str) -> Finding {
    Finding::of(Check::List, Severity::Error, problem, remedy)
}

fn unusable_list(file: &str, what: String) -> Finding {
    list_error(what, "Correct it, or the step that writes it").about(format!("input `affected`, file {}", quoted(file)))
}

fn no_config(file: &str, what: String, remedy: &str) -> Finding {
    Finding::of(Check::Config, Severity::Error, what, remedy).about(format!("input `config`, file {}", quoted(file)))
}

/// What mends a file that was read from the repository: after the merge its commit stays as it is.
fn at_commit(mistakes: Vec<Finding>, pull: &Pull) -> Vec<Finding> {
    if pull.open {
        return mistakes;
    }
    let remedy = "Correct it, and check the branch out before this step: where nothing is checked out, it is read at the \
                  merge commit, which stays as it is";
    mistakes.into_iter().map(|mistake| Finding { remedy: remedy.to_owned(), ..mistake }).collect()
}

async fn of_changes(github: &Github, config: Config, pulls: &[&Pull], commit: &str) -> Result<Basis, Trouble> {
    let mut sights = Vec::new();
    let mut findings = Vec::new();
    for pull in pulls {
        match changed(github, pull).await? {
            Ok(more) => sights.extend(more),
            Err(finding) => findings.push(finding),
        }
    }
    if !findings.is_empty() {
        return Ok(Basis { config, items: Vec::new(), findings });
    }
    let folders = affected::folders(&config, &sights);
    let gone = gone(github, by_parent(folders), commit).await?;
    let mapped = affected::map(&config, &sights, &gone);
    tracing::info!(
        "{} changed files belong to {} components; {} match no rule and are left out",
        sights.len() - mapped.rest.len(),
        mapped.items.len(),
        mapped.rest.len()
    );
    Ok(Basis { config, items: mapped.items, findings })
}

async fn of_lines(github: &Github, config: Config, lines: &[Line], commit: &str) -> Result<Basis, Trouble> {
    let sights: Vec<Sight> =
        lines.iter().map(|line| Sight { path: line.text.clone(), removed: false, line: Some(line.number) }).collect();
    let folders = affected::folders(&config, &sights);
    let parents = by_parent(folders);
    if parents.len() > MOST_FOLDERS {
        let problem = format!(
            "names components in {} folders, and no more than {MOST_FOLDERS} are asked whether they are still there",
            parents.len()
        );
        let remedy = "Split it with several uses of the action that each have a `comment-key`, or give a JSON list, of \
                      which nothing is asked";
        let finding = list_error(problem, remedy).about("input `affected`");
        return Ok(Basis { config, items: Vec::new(), findings: vec![finding] });
    }
    let gone = gone(github, parents, commit).await?;
    let mapped = affected::map(&config, &sights, &gone);
    let remedy = plan::rule_remedy(&config);
    let unmapped = mapped.rest.iter().filter_map(|index| sights.get(*index)).map(|sight| {
        Finding::mapping(
            format!("{} (line {} of the list)", quoted(&sight.path), sight.line.unwrap_or_default()),
            "nothing maps it to an environment: no rule matches it by `path` or `component`",
            format!("In a list every line counts: {remedy}"),
        )
    });
    let findings = plan::at_most(plan::MOST_FINDINGS, unmapped);
    Ok(Basis { config, items: mapped.items, findings })
}

/// The files a pull request changes; one that moved counts at both names.
async fn changed(github: &Github, pull: &Pull) -> Result<Result<Vec<Sight>, Finding>, Trouble> {
    let number = pull.number;
    let too_many = || {
        let problem = format!("changes more files than the {MOST_FILES} GitHub lists");
        let remedy =
            "Give the affected components by the input `affected`, such as the output of `git diff --name-only`";
        list_error(problem, remedy).about(format!("pull request #{number}"))
    };
    if pull.changed_files.is_some_and(|count| count > MOST_FILES) {
        return Ok(Err(too_many()));
    }
    let files = github.changed_files(number).await?;
    let listed = files.len() as u64;
    if pull.changed_files.map_or(listed >= MOST_FILES, |count| count > listed && listed >= MOST_FILES) {
        return Ok(Err(too_many()));
    }
    let sights = files.into_iter().flat_map(|file| {
        let before = file.previous.map(|path| Sight { path, removed: true, line: None });
        [Some(Sight { path: file.path, removed: file.removed, line: None }), before].into_iter().flatten()
    });
    Ok(Ok(sights.collect()))
}

/// Folders by what they lie in.
fn by_parent(folders: BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
    let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in folders {
        let (parent, name) = folder.rsplit_once('/').unwrap_or(("", &folder));
        parents.entry(parent.to_owned()).or_default().push(name.to_owned());
    }
    parents
}

/// Which of the folders are no longer there at the commit. One look at what they lie in tells it of all of them.
async fn gone(
    github: &Github,
    parents: BTreeMap<String, Vec<String>>,
    commit: &str,
) -> Result<BTreeSet<String>, Trouble> {
    let asked = stream::iter(parents).map(|(parent, names)| async move {
        let there = github.folder(&parent, commit).await?;
        let mut gone = Vec::new();
        for name in names {
            let folder = if parent.is_empty() { name.clone() } else { format!("{parent}/{name}") };
            let is_there = match &there {
                Folder::Has(entries) => entries.contains(&name),
                Folder::Large => github.exists(&folder, commit).await?,
            };
            gone.extend((!is_there).then_some(folder));
        }
        Ok(gone)
    });
    let answers: Vec<Result<Vec<String>, Trouble>> = asked.buffered(AT_ONCE).collect().await;
    let gone: Vec<Vec<String>> = answers.into_iter().collect::<Result<_, _>>()?;
    Ok(gone.into_iter().flatten().ordered())
}
