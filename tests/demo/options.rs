//! The command line.

use std::{ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use simulated_github::Clock;

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
  --serve             the playground: a page on this machine where it is you who approves, rejects, lets runs
                      fail, cancels the job and makes time pass
    --port NUMBER     its port; by default one that is free
    --speed NUMBER    how many seconds of the simulated GitHub pass in one, at first; by default 60, and 0
                      stops its clock
    --at TIME         what its clock shows at first, as in 2026-03-02T09:00:00Z; by default the time it is
  --help              print this

The exit status is the action's; 2 if the demo itself could not run.";

/// In the playground what takes a second on the terminal takes a minute of the simulated GitHub's clock.
const MINUTE: u32 = 60;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Help,
    Run(Options),
}

/// What can be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    pub input: Option<PathBuf>,
    pub reject: Option<String>,
    pub dry_run: bool,
    pub log: bool,
    pub fast: bool,
    /// Nobody acts by a script then: visitors do.
    pub serve: Option<Serve>,
}

/// The playground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// 0: any that is free.
    pub port: u16,
    /// Seconds of the simulated GitHub in one of ours.
    pub speed: u32,
    /// What its clock shows at first, in RFC 3339; `None`: the time it is.
    pub at: Option<String>,
}

/// How long a second takes.
#[derive(Debug, Clone, Copy)]
pub struct Haste {
    times: u32,
    divided: u32,
}

impl Options {
    /// For what happens on the simulated GitHub.
    pub fn haste(&self) -> Haste {
        Haste { times: if self.serve.is_some() { MINUTE } else { 1 }, ..self.own_haste() }
    }

    /// For what the action does by its own clock.
    pub fn own_haste(&self) -> Haste {
        Haste { times: 1, divided: if self.fast { 2 } else { 1 } }
    }

    /// The simulated GitHub's clock.
    pub fn clock(&self) -> Clock {
        let Some(serve) = &self.serve else { return Clock::default() };
        let mut clock = serve.at.as_deref().map_or_else(Clock::default, Clock::starting_at);
        clock.set_speed(serve.speed);
        clock
    }
}

impl Haste {
    /// So many milliseconds of the story.
    pub fn ms(self, millis: u64) -> Duration {
        Duration::from_millis(millis) * self.times / self.divided
    }
}

/// Reads the arguments after the program's name.
pub fn read(given: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let mut options = Options::default();
    let mut serve = Serve { port: 0, speed: MINUTE, at: None };
    let mut of_serve = None;
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
            "--port" => serve.port = number(&name, &value("a number")?)?,
            "--speed" => serve.speed = number(&name, &value("a number")?)?,
            "--at" => serve.at = Some(time(&value("a time")?)?),
            _ if glued.is_some() => return Err(format!("the argument {name}=… is unknown")),
            "--dry-run" => options.dry_run = true,
            "--log" => options.log = true,
            "--fast" => options.fast = true,
            "--serve" => options.serve = Some(serve.clone()),
            "--help" | "-h" => return Ok(Asked::Help),
            other => return Err(format!("the argument `{other}` is unknown")),
        }
        if matches!(name.as_str(), "--port" | "--speed" | "--at") {
            of_serve = Some(name);
        }
    }
    match (&mut options.serve, of_serve, &options.reject) {
        (None, Some(name), _) => return Err(format!("{name} is for the playground: it needs --serve")),
        (Some(_), _, Some(_)) => return Err("--reject: in the playground it is you who rejects".to_owned()),
        (Some(asked), _, None) => *asked = serve,
        (None, None, _) => {}
    }
    Ok(Asked::Run(options))
}

fn number<N: FromStr>(name: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{name}: `{text}` is no number that fits"))
}

fn time(text: &str) -> Result<String, String> {
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("--at: `{text}` is no time such as 2026-03-02T09:00:00Z ({error})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        read(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_playground_has_options_of_its_own_in_any_order() {
        let serve = Serve { port: 8080, speed: 0, at: Some("2026-03-02T09:00:00Z".to_owned()) };
        let options = Options { serve: Some(serve), ..Options::default() };
        let line = "--port 8080 --serve --at=2026-03-02T09:00:00Z --speed 0";
        assert_eq!(asked(line), Ok(Asked::Run(options.clone())));
        assert_eq!(options.clock().speed(), 0);
        assert_eq!(options.haste().ms(1000), Duration::from_secs(60));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (line, why) in [
            ("--port 80", "--port is for the playground: it needs --serve"),
            ("--serve --port 65536", "--port: `65536` is no number that fits"),
            ("--serve --speed -1", "--speed: `-1` is no number that fits"),
            ("--serve --reject vpc", "--reject: in the playground it is you who rejects"),
            ("--serve=yes", "the argument --serve=… is unknown"),
        ] {
            assert_eq!(asked(line), Err(why.to_owned()), "{line}");
        }
        assert!(asked("--serve --at noon").is_err_and(|why| why.starts_with("--at: `noon` is no time")));
    }
}
