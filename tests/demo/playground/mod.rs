//! The playground: a page on this machine that shows the pull request, and on which visitors play the people.
//!
//! The action and the simulated GitHub are the very same as in the demo; only that nobody acts by a script.
//!
//! | | |
//! |---|---|
//! | `play` | one play: the world, the job, and what visitors do |
//! | `job` | the steps of the job on its runner: signals, the post step, attempts |
//! | `snapshot` | all that the page shows, as one JSON document |
//! | `rendered` | Markdown made HTML, and harmless, as GitHub does it |
//! | `server` | HTTP, for visitors of this machine alone |
//! | `page.html`, `page.css`, `page.js` | the page, built in |

mod job;
mod play;
mod rendered;
mod server;
mod snapshot;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::watch;

use self::{play::Play, snapshot::Painter};
use crate::{
    options::{Options, Serve},
    runner,
};

/// How often the world is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Serves the page until it is interrupted.
pub fn serve(options: &Options, serve: &Serve) -> Result<(), String> {
    println!("Building the action…");
    let program = runner::build()?;
    let play = Arc::new(Mutex::new(Play::begin(options, &program)?));
    let (newest, pages) = watch::channel(String::new());
    let shown = Arc::clone(&play);
    thread::spawn(move || {
        let mut painter = Painter::default();
        loop {
            let page = painter.paint(&mut lock(&shown));
            newest.send_if_modified(|last| {
                let changed = *last != page;
                *last = page;
                changed
            });
            thread::sleep(LOOK);
        }
    });
    let served = server::run(serve.port, &play, pages);
    lock(&play).end();
    served
}

/// A panic of another thread does not make the play unusable.
fn lock(play: &Mutex<Play>) -> MutexGuard<'_, Play> {
    play.lock().unwrap_or_else(PoisonError::into_inner)
}
