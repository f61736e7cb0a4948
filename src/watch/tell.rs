//! What a watch tells: the comment with the state in it, outputs, summary, and what the post step needs.

use std::time::Instant;

use super::{Cancelled, Doomed, Ended, Watch};
use crate::{
    github::Trouble,
    inputs::OnCancel,
    report::{View, Watcher, comment, log, outputs, outputs::Outputs, summary},
    rollout::Standing,
    state::{self, Hand, Record, Stage},
    sticky::Sticky,
    tally::{Outcome, Tally},
};

impl Watch<'_> {
    /// Takes the rollout in hand: writes this process into the comment. Tells whether that stands.
    ///
    /// # Errors
    /// GitHub cannot be asked.
    pub async fn take(&mut self, stage: Stage) -> Result<bool, Trouble> {
        let body = self.tell(stage, &Watcher::Here);
        let Some(sticky) = &mut self.case.sticky else {
            return Ok(true);
        };
        let stands = sticky.take(&body, &self.case.hand.nonce).await?;
        self.taken = stands.then(Instant::now);
        if stands {
            self.tell_outputs();
        }
        Ok(stands)
    }

    /// Brings outputs, saved state and comment up to what is true now.
    pub async fn show(&mut self, stage: Stage, watcher: &Watcher) -> Result<(), Trouble> {
        let body = self.tell(stage, watcher);
        if let Some(sticky) = &mut self.case.sticky {
            let known = sticky.place().map(|(id, _)| id);
            let began = Instant::now();
            self.overtaken |= !sticky.write(&body).await?;
            // While that was under way another may have held the rollout, as GitHub has no compare-and-swap.
            self.searched &= began.elapsed() < self.case.job.tempo.settle;
            if sticky.place().map(|(id, _)| id) != known {
                // Somebody deleted it, and another process may have made a new one at the same moment.
                self.overtaken |= known.is_some() && !sticky.stands(&self.case.hand.nonce).await?;
                self.tell_outputs();
            }
        }
        Ok(())
    }

    /// Outputs and saved state as of now.
    pub fn tell_outputs(&self) {
        self.case.job.files.outputs(&self.outputs(&self.rollout.standings()).lines());
        self.save(false);
    }

    /// The same, and the comment's text.
    fn tell(&self, stage: Stage, watcher: &Watcher) -> String {
        self.tell_outputs();
        let hand = Hand { released: stage == Stage::Finished || *watcher != Watcher::Here, ..self.case.hand.clone() };
        let record = Record { stage, hand, origin: self.origin.clone(), rollout: self.rollout.clone() };
        let view = View::of(&record.rollout, stage, watcher.clone(), &self.case.job.context, self.case.github.now())
            .checked(&self.checked.findings, &[])
            .begun_by(self.case.hand.began().0);
        let body = comment::render(&view, &record.rollout.subject.comment_key, &state::encode(&record));
        log::redact(&body, &self.case.job.inputs.token)
    }

    /// What a later process on this runner (the post step) needs.
    pub fn save(&self, orderly: bool) {
        // Should this process be killed, `on-cancel` is about these.
        let cancel = self.case.job.inputs.on_cancel;
        self.save_rest(orderly, cancel, &Cancelled { missed: self.doomed(cancel), ..Cancelled::default() });
    }

    /// The same after this process has begun what `on-cancel` asks for, or left the runs alone for a reason that is
    /// no cancellation.
    pub(super) fn save_rest(&self, orderly: bool, cancel: OnCancel, came: &Cancelled) {
        let list = |all: Vec<String>| all.join(",");
        self.case.job.files.state(&format!(
            "orderly={orderly}\npull_request={}\nnonce={}\nspared={}\ndoomed={}\nasked={}\n",
            self.rollout.subject.pull_request,
            self.case.hand.nonce,
            cancel == OnCancel::Leave,
            list(came.missed.iter().map(Doomed::to_string).collect()),
            list(came.asked.iter().map(u64::to_string).collect()),
        ));
    }

    /// The outputs as of now.
    pub fn outputs(&self, standings: &[Standing]) -> Outputs {
        let tally = Tally::of(standings);
        let place = self.case.sticky.as_ref().and_then(Sticky::place);
        // What is left was refused, as by preflight.
        let refused = self.barred.is_some() && tally.pending > 0;
        Outputs {
            result: if refused { Outcome::Failed } else { tally.result() },
            deployments: outputs::rows(&self.rollout, standings, &self.case.job.context.server_url),
            tally,
            pull_request: Some(self.rollout.subject.pull_request),
            comment_id: place.map(|(id, _)| id),
            comment_url: place.map(|(_, url)| url.to_owned()),
        }
    }

    /// The job summary after an end of the watch.
    pub fn summary_text(&self, ended: &Ended) -> String {
        match ended {
            Ended::Finished => self.summary(Stage::Finished, &Watcher::Here),
            _ => self.summary(Stage::Live, &Watcher::Later),
        }
    }

    /// Writes the job summary.
    pub fn summarise(&self, stage: Stage, watcher: &Watcher) {
        self.case.job.files.summary(&self.summary(stage, watcher));
    }

    fn summary(&self, stage: Stage, watcher: &Watcher) -> String {
        let view = View::of(&self.rollout, stage, watcher.clone(), &self.case.job.context, self.case.github.now())
            .checked(&self.checked.findings, &[])
            .begun_by(self.case.hand.began().0);
        summary::render(&view)
    }
}
