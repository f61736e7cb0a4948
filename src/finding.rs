//! What a check found: how bad, about what, what is wrong, how to mend it, and where.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::Check;
use crate::ordered::Ordered;

/// A foreign name in one of our sentences. Reports show what stands between backticks as code, so the name
/// must not hold one.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "ˋ"))
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is dispatched.
    Error,
    /// Worth knowing.
    Warning,
}

/// A place in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The path from the repository's root.
    pub file: String,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
}

/// One result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: an environment, a workflow, a permission. Empty: the components themselves.
    pub about: String,
    /// The components it concerns, as messages name them.
    pub components: BTreeSet<String>,
    /// The environment it concerns, if one.
    pub environment: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to change.
    pub remedy: String,
    /// Where it lies, if in a file.
    pub place: Option<Place>,
}

/// So many components are named in one line.
const MOST_NAMED: usize = 5;

impl Finding {
    /// A finding of a check.
    pub fn of(check: Check, severity: Severity, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            check,
            severity,
            about: String::new(),
            components: BTreeSet::new(),
            environment: None,
            problem: problem.into(),
            remedy: remedy.into(),
            place: None,
        }
    }

    /// What is wrong with the mapping of an item (as messages name it): the plan cannot be made.
    pub fn mapping(item: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::of(Check::Mapping, Severity::Error, problem, remedy).concerning([item.into()])
    }

    /// What the config says without effect.
    pub fn warning(about: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::of(Check::Config, Severity::Warning, problem, remedy).about(about)
    }

    /// What it is about.
    pub fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    /// The components it concerns.
    pub fn concerning(self, components: impl IntoIterator<Item = String>) -> Self {
        Self { components: components.into_iter().ordered(), ..self }
    }

    /// The environment it concerns.
    pub fn environment(self, name: &str) -> Self {
        Self { environment: Some(name.to_owned()), ..self }
    }

    /// Where it lies.
    pub fn at(self, file: &str, line: Option<u32>) -> Self {
        Self { place: Some(Place { file: file.to_owned(), line, column: None }), ..self }
    }

    /// The column it lies in, where its line is known.
    pub fn column(mut self, column: Option<u32>) -> Self {
        if let Some(place) = &mut self.place {
            place.column = column;
        }
        self
    }

    /// The finding in one line.
    pub fn line(&self) -> String {
        let components = self.named();
        let mut text = match (self.about.as_str(), &self.environment) {
            ("", Some(environment)) => format!("{components} → {}: {}", quoted(environment), self.problem),
            ("", None) if components.is_empty() => self.problem.clone(),
            ("", None) => format!("{components}: {}", self.problem),
            (about, _) => format!("{about}: {}", self.problem),
        };
        if !self.about.is_empty() && !components.is_empty() {
            text.push_str(&format!(" (for {components})"));
        }
        if let Some(Place { file, line, .. }) = self.place.as_ref().filter(|place| !self.about.contains(&place.file)) {
            let place = line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"));
            text.push_str(&format!(" (in {})", quoted(&place)));
        }
        format!("{text}. {}", self.remedy)
    }

    fn named(&self) -> String {
        let mut names: Vec<&str> = self.components.iter().take(MOST_NAMED).map(String::as_str).collect();
        let more = self.components.len().saturating_sub(names.len());
        let rest = format!("{more} more");
        if more > 0 {
            names.push(&rest);
        }
        match names.as_slice() {
            [] => String::new(),
            [one] => (*one).to_owned(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }
}

/// Makes one finding of those that say the same of several components; errors first, the most important
/// check first, what lies in one file in the file's order. What nothing maps stays apart: each is named.
pub fn gather(findings: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
    type Key = (Severity, Check, Option<Place>, String, Option<String>, String, String, Option<BTreeSet<String>>);
    let mut gathered: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    for finding in findings {
        let Finding { check, severity, about, components, environment, problem, remedy, place } = finding;
        let apart = (check == Check::Mapping).then(|| components.clone());
        let key = (severity, check, place, about, environment, problem, remedy, apart);
        gathered.entry(key).or_default().extend(components);
    }
    gathered
        .into_iter()
        .map(|((severity, check, place, about, environment, problem, remedy, _), components)| Finding {
            check,
            severity,
            about,
            components,
            environment,
            problem,
            remedy,
            place,
        })
        .collect()
}

/// Whether any finding stops the rollout.
pub fn errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(component: &str) -> Finding {
        Finding::of(Check::InputMissing, Severity::Error, "it lacks `x`", "Set it").concerning([component.to_owned()])
    }

    #[test]
    fn the_same_said_of_several_components_is_said_once() {
        let warning = Finding::of(Check::SelfReview, Severity::Warning, "w", "r").about("environment `prod`");
        let all = gather([warning.clone(), finding("`b`"), finding("`a`"), finding("`b`")]);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].line(), "`a` and `b`: it lacks `x`. Set it");
        assert_eq!(all[1], warning);
    }

    #[test]
    fn a_line_names_environment_place_and_at_most_five_components() {
        let many = (1..=7).map(|number| format!("`c{number}`"));
        let all = finding("").concerning(many).environment("prod").at(".github/workflows/a.yml", Some(7));
        assert_eq!(
            all.line(),
            "`c1`, `c2`, `c3`, `c4`, `c5` and 2 more → `prod`: it lacks `x` (in `.github/workflows/a.yml:7`). Set it"
        );
        let about = all.about("environment `prod`").concerning(["`a`".to_owned()]);
        assert!(about.line().starts_with("environment `prod`: it lacks `x` (for `a`) (in"), "{}", about.line());
    }
}
