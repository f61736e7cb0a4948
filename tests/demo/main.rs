//! The demo: the real action on a simulated GitHub, with people who approve, told as it happens.
//!
//! ```text
//! cargo run --example demo
//! cargo run --example demo -- --input DIR
//! cargo run --example demo -- --serve
//! ```
//!
//! It needs nothing but the Rust toolchain, and no network: GitHub is a port of this machine.
//!
//! `world`, `input` and `survey` set the stage; `runner` builds the action and runs it as GitHub's runner
//! would; `witness` says what happened; `markdown` and `show` put it on the terminal. `playground` serves a
//! page instead, where visitors act.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(clippy::indexing_slicing, reason = "only of JSON, which answers null where there is nothing")]

mod input;
mod markdown;
mod options;
mod playground;
mod runner;
mod show;
mod survey;
mod witness;
mod world;

use std::{process::ExitCode, thread, time::Duration};

use simulated_github::Github;

use crate::{
    options::{Asked, HELP, Options},
    runner::{Ended, Runner, Step},
    show::Screen,
    witness::Witness,
    world::Scene,
};

/// How often the demo looks at the world.
const LOOK: Duration = Duration::from_millis(25);

/// The exit status of a demo that did not come to run the action.
const NO_DEMO: u8 = 2;

fn main() -> ExitCode {
    let ended = match options::read(std::env::args_os().skip(1)) {
        Ok(Asked::Help) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Run(options)) => match &options.serve {
            None => run(&options),
            Some(serve) => playground::serve(&options, serve).map(|()| 0),
        },
        Err(mistake) => Err(format!("{mistake}\n\n{HELP}")),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(mistake) => {
            eprintln!("demo: {mistake}");
            ExitCode::from(NO_DEMO)
        }
    }
}

/// Sets the stage, builds the action, runs it, and tells all of it. The exit status is the action's.
fn run(options: &Options) -> Result<u8, String> {
    let scene = scene(options)?;
    let mut screen = Screen::new();
    screen.note("Building the action…");
    let program = runner::build()?;
    let number = scene.number;
    let story = scene.introduction();
    let (runner, world) = Runner::new(scene, options)?;
    let github = Github::start(world);
    screen.introduce(&github.api_url(), &story);
    runner::outlive_interrupts();
    let ended = watch(&mut screen, &github, runner.start(&program, &github.api_url(), Step::Main)?, number)?;
    screen.finish(&ended, &github, options, &runner);
    Ok(ended.code)
}

fn scene(options: &Options) -> Result<Scene, String> {
    let mut scene = match &options.input {
        None => world::acme(options),
        Some(folder) => input::scene(folder, options)?,
    };
    if let Some(component) = &options.reject {
        scene.reject(component, options.haste())?;
    }
    Ok(scene)
}

/// Tells what happens on both sides until the action has ended.
fn watch(screen: &mut Screen, github: &Github, mut child: runner::Running, number: u64) -> Result<Ended, String> {
    let mut witness = Witness::of(number);
    loop {
        let ended = child.ended()?;
        for happening in github.world(|world| witness.look(world)) {
            screen.tell(&happening);
        }
        match ended {
            Some(ended) => return Ok(ended),
            None => thread::sleep(LOOK),
        }
    }
}
