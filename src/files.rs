//! The runner's files: outputs, summary, state for the post step. Each is replaced whole, so that a kill
//! at any moment leaves a complete one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use secrecy::SecretString;

use crate::report::log::redact;

/// The files of this step. Those the runner did not name are left out.
#[derive(Debug, Default)]
pub struct Files {
    /// `GITHUB_OUTPUT`
    pub output: Option<PathBuf>,
    /// `GITHUB_STEP_SUMMARY`
    pub summary: Option<PathBuf>,
    /// `GITHUB_STATE`
    pub state: Option<PathBuf>,
    /// Cut out of everything that is written.
    pub token: SecretString,
    told: AtomicBool,
}

impl Files {
    /// Finds the files before anything else is known, so that outputs can be set whatever goes wrong.
    pub fn of(environment: &[(String, String)]) -> Self {
        let value = |wanted: &str| {
            environment.iter().find(|(name, value)| name == wanted && !value.is_empty()).map(|(_, value)| value.clone())
        };
        Self {
            output: value("GITHUB_OUTPUT").map(PathBuf::from),
            summary: value("GITHUB_STEP_SUMMARY").map(PathBuf::from),
            state: value("GITHUB_STATE").map(PathBuf::from),
            token: SecretString::from(value("INPUT_TOKEN").unwrap_or_default().trim().to_owned()),
            told: AtomicBool::new(false),
        }
    }

    /// The same without outputs and summary: for one part of what they tell as a whole.
    pub fn part(&self) -> Self {
        Self { state: self.state.clone(), token: self.token.clone(), ..Self::default() }
    }

    /// Whether outputs were set before in this process.
    pub fn told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// Sets the outputs.
    pub fn outputs(&self, lines: &str) {
        self.told.store(true, Ordering::Relaxed);
        self.put(self.output.as_deref(), lines, "outputs (GITHUB_OUTPUT)");
    }

    /// Sets the job summary.
    pub fn summary(&self, markdown: &str) {
        self.put(self.summary.as_deref(), markdown, "job summary (GITHUB_STEP_SUMMARY)");
    }

    /// Saves what the post step needs, as `name=value` lines.
    pub fn state(&self, lines: &str) {
        self.put(self.state.as_deref(), lines, "state for the post step (GITHUB_STATE)");
    }

    fn put(&self, path: Option<&Path>, text: &str, what: &str) {
        let Some(path) = path else { return };
        if let Err(error) = replace(path, &redact(text, &self.token)) {
            tracing::warn!("the {what} cannot be written to `{}`: {error}", path.display());
        }
    }
}

/// Writes beside the file and moves it there; where that is not possible, into it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let moved = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
    match moved {
        Ok(()) => Ok(()),
        Err(_) => {
            drop(fs::remove_file(&beside));
            fs::write(path, text)
        }
    }
}
