//! Leaving before the end: the last words, and what `on-cancel` asks for.

use std::fmt;

use futures_util::{StreamExt, stream};

use super::Watch;
use crate::{
    github::{Github, Patience, Trouble},
    inputs::OnCancel,
    report::Watcher,
    rollout::{Deployment, Phase, Progress},
    state::Stage,
};

/// Cancellations under way at once.
const AT_ONCE: usize = 8;

/// A run that `on-cancel` cancels, and what was last seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doomed {
    /// The run's id.
    pub run: u64,
    /// What it did.
    pub phase: Phase,
}

/// What came of cancelling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cancelled {
    /// Runs whose cancellation was asked for.
    pub asked: Vec<u64>,
    /// Runs that were approved meanwhile, or have ended: they are left alone.
    pub spared: Vec<u64>,
    /// Runs that were not reached, or for which GitHub refused it.
    pub missed: Vec<Doomed>,
}

impl Watch<'_> {
    /// The last thing to do when somebody must leave before the end: say that nobody is watching, and begin
    /// what `on-cancel` asks for. Both at once, since there are seconds.
    pub async fn leave(&mut self, why: &str, cancel: OnCancel) {
        let seconds = Patience::only(self.case.job.tempo.last_words);
        let doomed = self.doomed(cancel);
        let (told, came) = self.say_and_cancel(why, cancel, &doomed, Vec::new(), &seconds, &seconds).await;
        // What there was no time for is left to the post step, and so is telling what came of all.
        let mut done = told && came.missed.is_empty();
        if done && !doomed.is_empty() {
            done = self.say(came.told(why), &seconds).await;
        }
        self.save_rest(done, cancel, &came);
    }

    /// The same for the post step, which has minutes for the cancellations. `asked` are the runs for which the main
    /// step had time.
    pub async fn leave_slowly(&mut self, why: &str, cancel: OnCancel, doomed: &[Doomed], asked: Vec<u64>) {
        let tempo = self.case.job.tempo;
        let minutes = self.case.job.patience.anew(tempo.cancellations);
        let (_, came) =
            self.say_and_cancel(why, cancel, doomed, asked, &Patience::only(tempo.last_words), &minutes).await;
        if !came.nothing() {
            self.say(came.told(why), &Patience::only(tempo.last_words)).await;
        }
    }

    /// Says that it cancels, and does: what is said stays true if this process dies of it. Tells whether it was said.
    async fn say_and_cancel(
        &mut self,
        why: &str,
        cancel: OnCancel,
        doomed: &[Doomed],
        asked: Vec<u64>,
        for_words: &Patience,
        for_cancels: &Patience,
    ) -> (bool, Cancelled) {
        let github = self.case.github.with_patience(for_cancels.clone());
        let words = begun(why, doomed.len() + asked.len(), cancel);
        let both = futures_util::future::join(self.say(words, for_words), cancel_all(&github, doomed, cancel));
        let (told, mut came) = both.await;
        came.asked.extend(asked);
        (told, came)
    }

    /// Says that nobody is watching. Tells whether the comment does.
    async fn say(&mut self, why: String, patience: &Patience) -> bool {
        let github = self.case.github.with_patience(patience.clone());
        if let Some(sticky) = &mut self.case.sticky {
            sticky.set_github(&github);
        }
        let watcher = Watcher::Nobody(why);
        self.tell_outputs();
        self.summarise(Stage::Live, &watcher);
        let shown = self.show(Stage::Live, &watcher).await;
        if let Err(trouble) = &shown {
            tracing::warn!("the comment could not be brought up to date: {trouble}");
        }
        shown.is_ok()
    }

    /// The runs that `on-cancel` cancels.
    pub fn doomed(&self, cancel: OnCancel) -> Vec<Doomed> {
        self.rollout.deployments.iter().filter_map(|deployment| doomed(cancel, deployment)).collect()
    }
}

/// Asks for cancellations, some at once: a run that cannot be cancelled is no reason to leave the others.
pub async fn cancel_all(github: &Github, doomed: &[Doomed], cancel: OnCancel) -> Cancelled {
    let mut came = Cancelled::default();
    let mut late = 0;
    let mut answers = stream::iter(doomed)
        .map(|one| async move { (*one, spare_or_cancel(github, *one, cancel).await) })
        .buffer_unordered(AT_ONCE);
    while let Some((one, answer)) = answers.next().await {
        let run = one.run;
        match answer {
            Ok(true) => {
                tracing::info!("run {run}: cancellation asked for");
                came.asked.push(run);
            }
            Ok(false) => {
                tracing::info!("run {run}: it waits no longer, so it is left alone");
                came.spared.push(run);
            }
            Err(trouble) => {
                match trouble {
                    Trouble::OutOfTime { .. } | Trouble::Stopped => late += 1,
                    trouble => tracing::warn!("run {run} could not be cancelled: {trouble}"),
                }
                came.missed.push(one);
            }
        }
    }
    if late > 0 {
        tracing::warn!("there was no time to ask for the cancellation of {}", runs(late));
    }
    came
}

/// Cancels a run. One that is to be cancelled only while it is not approved is looked at first: what was seen of it
/// may be old. Tells whether it was.
async fn spare_or_cancel(github: &Github, doomed: Doomed, cancel: OnCancel) -> Result<bool, Trouble> {
    if cancel == OnCancel::CancelWaiting {
        let facts = github.run(doomed.run).await?;
        if facts.conclusion.as_deref() == Some("cancelled") {
            // The process before this one asked, and died before it could take that down.
            return Ok(true);
        }
        let spared = match (doomed.phase, facts.status.as_str()) {
            (_, "waiting") => false,
            // Behind its gate a run is queued once more, for a runner.
            (Phase::Queued, "queued" | "requested" | "pending") => {
                let reviews = github.reviews(doomed.run, github.now()).await?;
                reviews.iter().any(|review| review.state == "approved")
            }
            _ => true,
        };
        if spared {
            return Ok(false);
        }
    }
    github.cancel(doomed.run).await.map(|()| true)
}

fn doomed(cancel: OnCancel, deployment: &Deployment) -> Option<Doomed> {
    let dooms = match cancel {
        OnCancel::Leave => false,
        OnCancel::CancelWaiting => {
            // Behind its gate a run is queued once more: it was approved.
            let approved =
                |phase| phase == Phase::Running || (phase == Phase::Queued && deployment.waiting_since.is_some());
            matches!(&deployment.progress, Progress::Followed(run) if !approved(run.phase))
        }
        OnCancel::CancelAll => deployment.active(),
    };
    let run = deployment.run().filter(|_| dooms)?;
    Some(Doomed { run: run.id, phase: run.phase })
}

/// Why nobody is watching, while cancellations are asked for. It is true at every moment after the first.
fn begun(why: &str, count: usize, cancel: OnCancel) -> String {
    match (count, cancel) {
        (0, _) => why.to_owned(),
        (count, OnCancel::CancelWaiting) => {
            format!("{why}, and the cancellation of what still waits of {} was begun", runs(count))
        }
        (count, _) => format!("{why}, and the cancellation of {} was begun", runs(count)),
    }
}

fn runs(count: usize) -> String {
    if count == 1 { "one run".to_owned() } else { format!("{count} runs") }
}

impl Cancelled {
    /// Whether there was nothing to cancel.
    fn nothing(&self) -> bool {
        self.asked.is_empty() && self.spared.is_empty() && self.missed.is_empty()
    }

    /// Why nobody is watching, with what came of the cancellations.
    fn told(&self, why: &str) -> String {
        let (asked, spared, missed) = (self.asked.len(), self.spared.len(), self.missed.len());
        let mut text = match asked {
            0 if spared + missed == 0 => return why.to_owned(),
            0 => format!("{why}, and no cancellation was asked for"),
            _ if spared + missed == 0 => format!("{why}, and the cancellation of {} was asked for", runs(asked)),
            _ => format!("{why}, and the cancellation of {asked} of {} was asked for", runs(asked + spared + missed)),
        };
        if spared > 0 {
            let (wait, are) = if spared == 1 { ("waits", "is") } else { ("wait", "are") };
            text.push_str(&format!("; {spared} {wait} no longer, and {are} left alone"));
        }
        if missed > 0 {
            text.push_str(&format!("; {missed} could not be cancelled"));
        }
        text
    }
}

/// As it is saved for the post step.
impl fmt::Display for Doomed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Queued => "queued",
            Phase::Waiting => "waiting",
            Phase::Running => "running",
        };
        write!(f, "{}:{phase}", self.run)
    }
}

impl Doomed {
    /// Reads what was saved.
    pub fn read(saved: &str) -> Option<Self> {
        let (run, phase) = saved.split_once(':')?;
        let phase = match phase {
            "queued" => Phase::Queued,
            "waiting" => Phase::Waiting,
            _ => Phase::Running,
        };
        Some(Self { run: run.parse().ok()?, phase })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_for_the_post_step_is_read_back() {
        for phase in [Phase::Queued, Phase::Waiting, Phase::Running] {
            let one = Doomed { run: 19_876_543_217, phase };
            assert_eq!(Doomed::read(&one.to_string()), Some(one));
        }
        assert_eq!([Doomed::read(""), Doomed::read("x:queued"), Doomed::read("7")], [None, None, None]);
    }

    #[test]
    fn the_comment_says_how_many_cancellations_were_asked_for() {
        let missed = |count| (0..count).map(|run| Doomed { run, phase: Phase::Queued }).collect();
        let told = |asked: u64, spared: u64, missed_count: u64| {
            let came =
                Cancelled { asked: (0..asked).collect(), spared: (0..spared).collect(), missed: missed(missed_count) };
            came.told("the job was cancelled")
        };
        for (asked, spared, missed, expected) in [
            (0, 0, 0, ""),
            (1, 0, 0, ", and the cancellation of one run was asked for"),
            (32, 0, 0, ", and the cancellation of 32 runs was asked for"),
            (3, 1, 0, ", and the cancellation of 3 of 4 runs was asked for; 1 waits no longer, and is left alone"),
            (
                27,
                2,
                5,
                ", and the cancellation of 27 of 34 runs was asked for; 2 wait no longer, and are left alone; 5 could not be cancelled",
            ),
            (0, 1, 0, ", and no cancellation was asked for; 1 waits no longer, and is left alone"),
        ] {
            assert_eq!(told(asked, spared, missed), format!("the job was cancelled{expected}"));
        }
        assert_eq!(begun("killed", 0, OnCancel::CancelAll), "killed");
        assert_eq!(begun("killed", 1, OnCancel::CancelAll), "killed, and the cancellation of one run was begun");
    }
}
