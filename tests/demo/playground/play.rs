//! One play: the world, the job in it, and what visitors do to both.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use simulated_github::{Github, Phase, World};

use super::job::Job;
use crate::{options::Options, runner::Runner, scene};

/// The longest comment of a review; GitHub's own limit is not documented.
const LONGEST_COMMENT: usize = 10_000;

/// The fastest clock, in seconds a second, and the furthest jump: beyond GitHub's 30 days for a gate.
const FASTEST: u32 = 3_600;
const FURTHEST: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Who re-runs things.
const VISITOR: &str = "octocat";

/// A world, and the action in it.
pub struct Play {
    options: Options,
    program: PathBuf,
    pub github: Github,
    pub job: Job,
    /// The pull request.
    pub number: u64,
    /// How often it was started again.
    pub again: u32,
    /// Something this program itself could not do.
    pub trouble: Option<String>,
}

/// What a visitor does.
#[derive(Debug, Deserialize)]
#[serde(tag = "deed", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    Approve {
        run: u64,
        environment: String,
        user: String,
        comment: String,
    },
    Reject {
        run: u64,
        environment: String,
        user: String,
        comment: String,
    },
    Succeed {
        run: u64,
    },
    Fail {
        run: u64,
    },
    Cancel {
        run: u64,
    },
    Rerun {
        run: u64,
    },
    CancelJob {},
    KillStep {},
    KillRunner {},
    RerunJob {},
    StartAgain {},
    /// How many seconds of the world pass in one.
    Speed {
        speed: u32,
    },
    /// Time lapse.
    Skip {
        seconds: u64,
    },
}

impl Play {
    /// Sets the stage and starts the action.
    pub fn begin(options: &Options, program: &Path) -> Result<Self, String> {
        let scene = scene(options)?;
        let number = scene.number;
        let (runner, world) = Runner::new(scene, options)?;
        let github = Github::start(world);
        let job = Job::start(runner, program.to_owned(), github.api_url())?;
        let (options, program) = (options.clone(), program.to_owned());
        Ok(Self { options, program, github, job, number, again: 0, trouble: None })
    }

    /// Lets happen what is due.
    pub fn tick(&mut self) {
        if let Err(trouble) = self.job.tick() {
            self.trouble = Some(trouble);
        }
    }

    /// Does it, or says why that cannot be done now.
    pub fn act(&mut self, deed: Deed) -> Result<(), String> {
        let github = self.github.clone();
        match deed {
            Deed::CancelJob {} => self.job.cancel(),
            Deed::KillStep {} => self.job.kill_step(),
            Deed::KillRunner {} => self.job.kill_runner(),
            Deed::RerunJob {} => self.job.rerun(),
            Deed::StartAgain {} => self.start_again(),
            Deed::Approve { run, environment, user, comment } => {
                let comment = reasonable(&comment)?;
                github.world(|world| world.approve(run, &environment, &user, comment))
            }
            Deed::Reject { run, environment, user, comment } => {
                let comment = reasonable(&comment)?;
                github.world(|world| world.reject(run, &environment, &user, comment))
            }
            Deed::Succeed { run } => done(github.world(|world| world.succeed(run)), "no job of this run is at work"),
            Deed::Fail { run } => github.world(|world| fail(world, run)),
            Deed::Cancel { run } => done(github.world(|world| world.cancel(run)), "this run has ended already"),
            Deed::Rerun { run } => github.world(|world| rerun(world, run)),
            Deed::Speed { speed } => {
                done(speed <= FASTEST, "this is faster than the clock goes")?;
                github.world(|world| world.clock.set_speed(speed));
                Ok(())
            }
            Deed::Skip { seconds } => {
                let time = Duration::from_secs(seconds);
                done(time <= FURTHEST, "this is further than the clock jumps")?;
                github.world(|world| world.pass(time));
                Ok(())
            }
        }
    }

    /// Everything from the beginning, at the speed it has now.
    fn start_again(&mut self) -> Result<(), String> {
        if let Some(serve) = &mut self.options.serve {
            serve.speed = self.github.world(|world| world.clock.speed());
        }
        let next = Self { again: self.again + 1, ..Self::begin(&self.options, &self.program)? };
        self.end();
        *self = next;
        Ok(())
    }

    /// The curtain.
    pub fn end(&mut self) {
        self.job.end();
    }
}

fn done(done: bool, why_not: &str) -> Result<(), String> {
    if done { Ok(()) } else { Err(why_not.to_owned()) }
}

fn reasonable(comment: &str) -> Result<&str, String> {
    done(comment.len() <= LONGEST_COMMENT, "this comment is too long")?;
    Ok(comment)
}

/// The first job that is at work fails, at its last step.
fn fail(world: &mut World, run: u64) -> Result<(), String> {
    let running = world.runs.get(&run).and_then(|run| {
        let job = run.jobs.iter().find(|job| job.phase == Phase::Running)?;
        Some((job.name.clone(), job.spec.steps.last().cloned().unwrap_or_default()))
    });
    let (job, step) = running.ok_or("no job of this run is at work")?;
    world.fail_job(run, &job, &step);
    Ok(())
}

/// Somebody re-runs all jobs of a run by hand.
fn rerun(world: &mut World, run: u64) -> Result<(), String> {
    let ended = world.runs.get(&run).is_some_and(|run| run.conclusion().is_some());
    done(ended, "this run has not ended yet")?;
    world.rerun(run, VISITOR);
    Ok(())
}
