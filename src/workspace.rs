//! Files of the workspace, which steps before this one write: read within bounds, and never outside it.

use std::{
    fmt,
    fs::File,
    io::{ErrorKind, Read},
    path::{Component, Path, PathBuf},
};

/// Larger files are refused: such a file is a mistake, and it must not take the runner's memory.
const LARGEST: u64 = 32 * 1024 * 1024;

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It is not there.
    Missing(String),
    /// It is there and of no use.
    Unusable(String),
    /// Its name leads out of the workspace.
    Barred(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) | Self::Unusable(what) | Self::Barred(what) => formatter.write_str(what),
        }
    }
}

/// The text of `file`, which must lie inside `workspace`.
///
/// # Errors
/// Why it cannot be read, without the file's name.
pub fn read(workspace: &Path, file: &str) -> Result<String, Unread> {
    let path = inside(workspace, file)?;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| Unread::Unusable(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Unread::Unusable(
            "is larger than 32 MiB: leave out what is not needed (for Atmos, `--include-settings` of \
             other products) or split the rollout"
                .to_owned(),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Unread::Unusable(format!("is not UTF-8: byte {at} begins no character"))
    })
}

/// The real path of `file`, refused when it leaves the workspace, through `..` or a link too.
fn inside(workspace: &Path, file: &str) -> Result<PathBuf, Unread> {
    if Path::new(file).is_absolute() {
        return Err(Unread::Barred("is an absolute path: name it relative to the workspace".to_owned()));
    }
    let missing = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
    let root = workspace.canonicalize().map_err(|error| {
        let what = format!("cannot be looked for: the workspace `{}`: {error}", workspace.display());
        if missing(&error) { Unread::Missing(what) } else { Unread::Unusable(what) }
    })?;
    let climbs = Path::new(file).components().any(|part| part == Component::ParentDir);
    let path = root.join(file).canonicalize().map_err(|error| {
        let what = format!(
            "cannot be read: {error}; it is looked for in the workspace, so the step that writes it must come before"
        );
        match climbs {
            true => Unread::Barred("lies outside the workspace: write it inside".to_owned()),
            false if missing(&error) => Unread::Missing(what),
            false => Unread::Unusable(what),
        }
    })?;
    if path.starts_with(&root) {
        Ok(path)
    } else {
        Err(Unread::Barred("lies outside the workspace: write it inside".to_owned()))
    }
}
