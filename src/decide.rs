//! What to do next. Pure: the whole rollout is looked at again each time, nothing reacts to a single event.

use crate::rollout::{Deployment, Progress, Proof, Rollout, Standing};

/// What one pass should do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// The deployments to dispatch now, in order.
    pub dispatch: Vec<usize>,
    /// Every deployment has ended.
    pub finished: bool,
}

/// Decides from the rollout and its statuses. At most `max_parallel` are active at once; 0: no limit.
pub fn decide(rollout: &Rollout, standings: &[Standing], max_parallel: usize) -> Decision {
    let active = rollout.deployments.iter().filter(|deployment| deployment.active()).count();
    let free = match max_parallel {
        0 => usize::MAX,
        most => most.saturating_sub(active),
    };
    let ready = |(index, (deployment, standing)): (usize, (&Deployment, &Standing))| {
        (standing.ready && deployment.progress == Progress::Planned).then_some(index)
    };
    Decision {
        dispatch: rollout.deployments.iter().zip(standings).enumerate().filter_map(ready).take(free).collect(),
        finished: standings.iter().all(|standing| standing.status.finished())
            && rollout.deployments.iter().all(|deployment| deployment.proof != Proof::Claimed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        plan::{Planned, Subject},
        rollout::{End, Phase, Run, Status},
        run::Time,
    };

    fn rollout(needs: &[Vec<usize>]) -> Rollout {
        let deployments = needs.iter().enumerate().map(|(index, needs)| {
            let mut needs = needs.clone();
            needs.retain(|need| *need < index);
            Deployment::new(Planned { component: format!("c{index}"), needs, ..Planned::default() })
        });
        Rollout { subject: Subject::default(), started_at: Time::UNIX_EPOCH, deployments: deployments.collect() }
    }

    fn ended(end: End) -> Progress {
        Progress::Ended { end, reason: None, at: Time::UNIX_EPOCH, run: None, job: None }
    }

    fn followed() -> Progress {
        Progress::Followed(Run { id: 1, attempt: 1, phase: Phase::Waiting })
    }

    #[test]
    fn dependents_wait_for_success_and_are_skipped_by_anything_else() {
        let ends = [End::Failed, End::Rejected, End::Cancelled, End::TimedOut, End::Expired, End::Lost];
        for end in ends {
            let mut rollout = rollout(&[vec![], vec![0], vec![1], vec![]]);
            rollout.deployments[0].progress = ended(end);
            let standings = rollout.standings();
            assert_eq!(standings[1].status, Status::Skipped, "{end:?}");
            assert_eq!(standings[2].status, Status::Skipped, "{end:?}");
            assert_eq!(decide(&rollout, &standings, 0).dispatch, [3], "{end:?}");
        }
        let mut rollout = rollout(&[vec![], vec![0]]);
        assert_eq!(decide(&rollout, &rollout.standings(), 0).dispatch, [0]);
        rollout.deployments[0].progress = followed();
        assert!(decide(&rollout, &rollout.standings(), 0).dispatch.is_empty());
        rollout.deployments[0].progress = ended(End::Succeeded);
        assert_eq!(decide(&rollout, &rollout.standings(), 0).dispatch, [1]);
    }

    #[test]
    fn a_need_that_is_deliberately_not_deployed_holds_nothing_back() {
        let mut rollout = rollout(&[vec![], vec![0]]);
        rollout.deployments[0].planned.skip = Some("a rule says none".to_owned());
        assert_eq!(decide(&rollout, &rollout.standings(), 0).dispatch, [1]);
    }

    proptest! {
        /// Random graphs, random ends: play a rollout to its end and watch every promise on the way.
        #[test]
        fn no_rollout_breaks_a_promise(
            needs in prop::collection::vec(prop::collection::vec(0usize..14, 0..4), 1..14),
            ends in prop::collection::vec(0usize..7, 14),
            order in prop::collection::vec(0usize..14, 200),
            max_parallel in 0usize..4,
        ) {
            let all = [End::Succeeded, End::Succeeded, End::Succeeded, End::Failed, End::Rejected, End::Cancelled, End::Lost];
            let mut rollout = rollout(&needs);
            let mut dispatched = vec![0; rollout.deployments.len()];
            for pick in order {
                let standings = rollout.standings();
                let decision = decide(&rollout, &standings, max_parallel);
                for index in &decision.dispatch {
                    dispatched[*index] += 1;
                    for need in &rollout.deployments[*index].planned.needs {
                        prop_assert_eq!(standings[*need].status, Status::Succeeded);
                    }
                }
                for index in decision.dispatch {
                    rollout.deployments[index].progress = followed();
                }
                let active: Vec<usize> = (0..dispatched.len()).filter(|index| rollout.deployments[*index].active()).collect();
                prop_assert!(max_parallel == 0 || active.len() <= max_parallel);
                prop_assert_eq!(decision.finished, active.is_empty());
                if active.is_empty() {
                    break;
                }
                let index = active[pick % active.len()];
                rollout.deployments[index].progress = ended(all[ends[index]]);
            }
            prop_assert!(dispatched.iter().all(|count| *count <= 1));
        }
    }
}
