//! What a check found: how bad, about what, what is wrong, and how to mend it.

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

/// One result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: components, an environment, a workflow, a permission.
    pub about: String,
    /// What is wrong.
    pub problem: String,
    /// What to change.
    pub remedy: String,
}

impl Finding {
    /// A finding that stops the rollout.
    pub fn error(about: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Error, about: about.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// A finding that stops nothing.
    pub fn warning(about: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(about, problem, remedy) }
    }

    /// The finding in one line.
    pub fn line(&self) -> String {
        format!("{}: {}. {}", self.about, self.problem, self.remedy)
    }
}
