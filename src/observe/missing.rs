//! Runs that the lists lack: late, deleted, or never made.

use super::{DENIALS, LOOKS, Observer, PATIENCE, SELDOM, lists::Seen};
use crate::{
    github::{Github, Trouble},
    rollout::{Deployment, End, Progress, Proof},
    run::{RunFacts, Time},
};

impl Observer {
    /// Asks for a run that the lists lack: at first seldom, since a young run may be late.
    pub(super) async fn ask_for(
        &mut self,
        github: &Github,
        index: usize,
        deployment: &mut Deployment,
        now: Time,
    ) -> Result<Option<RunFacts>, Trouble> {
        let Some(known) = deployment.run().cloned() else {
            return Ok(None);
        };
        let run = known.id;
        let missing = self.missing.entry(index).or_default();
        *missing += 1;
        let ended = matches!(deployment.progress, Progress::Ended { .. });
        // What was seen once does not come late any more: it was deleted, or GitHub errs for a moment.
        let seen = self.applied.contains_key(&run);
        let succeeded = matches!(deployment.progress, Progress::Ended { end: End::Succeeded, .. });
        // One that ended badly may have been re-run by hand while it was below what is read of the lists.
        let again = !succeeded && self.looks.is_multiple_of(SELDOM);
        if ended && (self.deleted.contains(&run) || (seen && !again)) {
            return Ok(None);
        }
        let young = deployment.started_at.is_some_and(|started| now - started < self.lost_after);
        // A pass that is one of many processes' has no later look: an old run is asked for at once.
        if !ended && young && (*missing <= PATIENCE || (!seen && !missing.is_power_of_two())) {
            return Ok(None);
        }
        match self.lists.run(&github.within(github.tempo().one_run), run).await {
            Ok(facts) => Ok(Some(facts)),
            // The other runs must not wait for this one.
            Err(Trouble::OutOfTime { .. }) => Ok(None),
            Err(Trouble::NotFound { .. }) if ended => {
                // How it ended was known before it was deleted.
                self.deleted.insert(run);
                if deployment.proof == Proof::Claimed
                    && let Progress::Ended { reason, .. } = &mut deployment.progress
                {
                    *reason =
                        Some(format!("run {run} was deleted, so that nobody can look any more whether it succeeded"));
                    deployment.proof = Proof::Seen;
                }
                Ok(None)
            }
            Err(Trouble::NotFound { .. }) if young && !seen => Ok(None),
            Err(Trouble::NotFound { .. }) if seen && *missing < PATIENCE + DENIALS => Ok(None),
            Err(Trouble::NotFound { .. }) if self.looks < LOOKS => {
                self.unsure = true;
                Ok(None)
            }
            Err(Trouble::NotFound { .. }) => {
                let reason = format!(
                    "GitHub no longer has run {run}: it was deleted; look at the infrastructure itself to know what was applied"
                );
                deployment.progress =
                    Progress::Ended { end: End::Lost, reason: Some(reason), at: now, run: Some(known), job: None };
                self.deleted.insert(run);
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// A dispatch without a known outcome whose run does not show up in time is lost. It is still looked
    /// for after that, and adopted if it comes.
    ///
    /// One case is not lost: the process died between writing the intent down and taking anything down
    /// about its outcome, a person re-ran the job, the run's title would show the id, and the complete
    /// list lacks it, again and again, long after GitHub would have made it. Then nothing was sent.
    pub(super) fn give_up(&mut self, deployment: &mut Deployment, seen: &Seen, shows: bool, now: Time) {
        let Progress::Intended { at, note } = &deployment.progress else {
            return;
        };
        if now - *at < self.lost_after || !seen.complete.contains(&deployment.planned.workflow) {
            return;
        }
        if self.looks < LOOKS {
            // However old it is, the list may be older.
            self.unsure = true;
            return;
        }
        if note.is_none() && self.resend && shows {
            tracing::info!(
                "{}: never reached GitHub before the last process ended; dispatching it now",
                deployment.planned.name()
            );
            deployment.progress = Progress::Planned;
            return;
        }
        let known = note.clone().unwrap_or_else(|| "the process ended while it was being dispatched".to_owned());
        let reason = format!(
            "no run with its id showed up ({known}); it was not sent again. Look for a run of `{}`, then re-run this job to try again",
            deployment.planned.workflow
        );
        deployment.progress = Progress::Ended { end: End::Lost, reason: Some(reason), at: now, run: None, job: None };
    }
}
