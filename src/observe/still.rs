//! Whether anything has happened at all, for a process that looks at many rollouts.

use std::time::Duration;

use chrono::TimeDelta;

use super::{Observer, named, reaches};
use crate::{
    github::{Github, Trouble},
    rollout::{Deployment, Progress, Rollout},
    run::Time,
};

impl Observer {
    /// Whether a rollout is as it was when its state was written, as far as the lists of runs tell: then nobody needs
    /// to ask about each run again. What changed within `margin` of that moment may not have been seen yet.
    pub async fn is_still(
        &mut self,
        github: &Github,
        rollout: &Rollout,
        written: Time,
        margin: Duration,
    ) -> Result<bool, Trouble> {
        let followed = |deployment: &Deployment| matches!(deployment.progress, Progress::Followed(_));
        let seen = self.lists.read_all(github, reaches(rollout, followed, false)).await?;
        let before = TimeDelta::from_std(margin).ok().and_then(|margin| written.checked_sub_signed(margin));
        let still = |deployment: &Deployment| match &deployment.progress {
            Progress::Intended { .. } => false,
            Progress::Followed(run) => seen.by_id.get(&run.id).is_some_and(|facts| {
                let as_it_was = facts.attempt == run.attempt && !facts.completed();
                as_it_was && before.is_some_and(|before| facts.updated_at < before)
            }),
            Progress::Ended { run: Some(run), .. } => {
                seen.by_id.get(&run.id).is_none_or(|facts| facts.attempt == run.attempt && facts.completed())
            }
            Progress::Planned | Progress::Ended { run: None, .. } => {
                named(&seen, &rollout.id(deployment), &deployment.planned.workflow).is_none()
            }
        };
        Ok(rollout.deployments.iter().all(still))
    }
}
