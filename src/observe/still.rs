//! Whether anything has happened at all, for a process that looks at many rollouts.

use std::time::Duration;

use chrono::TimeDelta;

use super::{Observer, named, reaches};
use crate::{
    github::{Github, Trouble},
    rollout::{Deployment, End, Progress, Rollout},
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
        let seen = self.lists.read_all(github, reaches(rollout, moves, false)).await?;
        let before = TimeDelta::from_std(margin).ok().and_then(|margin| written.checked_sub_signed(margin));
        for deployment in &rollout.deployments {
            let still = match &deployment.progress {
                Progress::Intended { .. } => false,
                Progress::Followed(run) => seen.by_id.get(&run.id).is_some_and(|facts| {
                    let as_it_was = facts.attempt == run.attempt && !facts.completed();
                    as_it_was && before.is_some_and(|before| facts.updated_at < before)
                }),
                Progress::Ended { run: Some(run), .. } => match seen.by_id.get(&run.id) {
                    Some(facts) => facts.attempt == run.attempt && facts.completed(),
                    None if !moves(deployment) => true,
                    None => match self.lists.run(github, run.id).await {
                        Ok(facts) => facts.attempt == run.attempt && facts.completed(),
                        Err(Trouble::NotFound { .. }) => true,
                        Err(trouble) => return Err(trouble),
                    },
                },
                Progress::Planned | Progress::Ended { run: None, .. } => {
                    named(&seen, &rollout.id(deployment), &deployment.planned.workflow).is_none()
                }
            };
            if !still {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether its run is under way, or ended so that people may have re-run it by hand.
fn moves(deployment: &Deployment) -> bool {
    match &deployment.progress {
        Progress::Followed(_) => true,
        Progress::Ended { run: Some(_), end, .. } => *end != End::Succeeded,
        _ => false,
    }
}
