//! The command line.

use std::{ffi::OsString, path::PathBuf, time::Duration};

/// What `--help` prints.
pub const HELP: &str = "\
Runs the real action on a simulated GitHub on this machine, and shows how the pull request's comment changes.

usage: cargo run --example demo [-- OPTION…]

  --input DIR         run on a folder of your own: affected.json or affected.txt, with event.json,
                      deployments.yml and changed-files.txt where there are any. The repository, its
                      environments and workflows are made up to fit; an environment whose name contains
                      `prod` asks for an approval
  --reject COMPONENT  a reviewer rejects this component where it needs an approval
  --dry-run           set the action's input `dry-run`: show what would be deployed, and why
  --log               print the action's log at the end
  --fast              wait half as long everywhere
  --help              print this

The exit status is the action's; 2 if the demo itself could not run.";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Help,
    Run(Options),
}

/// What can be chosen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub input: Option<PathBuf>,
    pub reject: Option<String>,
    pub dry_run: bool,
    pub log: bool,
    pub fast: bool,
}

/// How long a second takes.
#[derive(Debug, Clone, Copy)]
pub struct Haste(bool);

impl Options {
    pub fn haste(&self) -> Haste {
        Haste(self.fast)
    }
}

impl Haste {
    /// So many milliseconds of the story.
    pub fn ms(self, millis: u64) -> Duration {
        Duration::from_millis(if self.0 { millis / 2 } else { millis })
    }
}

/// Reads the arguments after the program's name.
pub fn read(given: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let mut options = Options::default();
    let mut given = given.map(OsString::into_string);
    let mut next = || match given.next() {
        Some(Err(odd)) => Err(format!("the argument {} is no Unicode", odd.display())),
        Some(Ok(text)) => Ok(Some(text)),
        None => Ok(None),
    };
    while let Some(argument) = next()? {
        let (name, glued) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let mut value = |what: &str| match glued.clone().map_or_else(&mut next, |value| Ok(Some(value)))? {
            Some(value) if !value.is_empty() && !value.starts_with("--") => Ok(value),
            _ => Err(format!("{name} needs {what}")),
        };
        match name.as_str() {
            "--input" => options.input = Some(PathBuf::from(value("a folder")?)),
            "--reject" => options.reject = Some(value("a component's name")?),
            _ if glued.is_some() => return Err(format!("the argument {name}=… is unknown")),
            "--dry-run" => options.dry_run = true,
            "--log" => options.log = true,
            "--fast" => options.fast = true,
            "--help" | "-h" => return Ok(Asked::Help),
            other => return Err(format!("the argument `{other}` is unknown")),
        }
    }
    Ok(Asked::Run(options))
}
