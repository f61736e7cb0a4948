//! Whether and how to go on from a state that was found. Pure: what has to be asked of GitHub is an argument.
//!
//! The state is untrusted: every workflow of the repository writes with the same identity, and people edit.

use crate::{
    context::Origin,
    plan::Subject,
    rollout::{Deployment, End, Progress, Proof},
    run::Time,
    state::{Hand, Record, Stage},
};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Us<'a> {
    /// What the pull request is now, as GitHub tells.
    pub subject: &'a Subject,
    /// This run and attempt, with this process's nonce.
    pub hand: &'a Hand,
    /// This use of the action.
    pub origin: &'a Origin,
    /// The event is a merge, not somebody's wish to go on.
    pub merge_event: bool,
}

/// What to do about a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has not begun: plan afresh.
    Afresh,
    /// It is of something else: as good as none. Why.
    Foreign(String),
    /// Begun by another use of the action: an error. Why.
    Taken(String),
    /// Go on with it.
    Take,
    /// Its holder must be asked about first.
    AskAbout(Hand),
    /// It is finished, and there is nothing to do.
    Report,
    /// It is finished, and what did not succeed is tried once more.
    Retry,
}

/// Judges a state.
pub fn judge(record: &Record, us: &Us<'_>) -> Verdict {
    let subject = &record.rollout.subject;
    // A repository that was renamed or moved keeps its pull requests and commits: its rollouts go on under the old
    // name, of which their ids are made.
    let same = (subject.repository.eq_ignore_ascii_case(&us.subject.repository)
        || subject.merge_commit == us.subject.merge_commit)
        && subject.pull_request == us.subject.pull_request
        && subject.comment_key == us.subject.comment_key;
    if !same {
        return Verdict::Foreign(format!(
            "the state in the comment is of {}#{}",
            subject.repository, subject.pull_request
        ));
    }
    if matches!(record.stage, Stage::Preview | Stage::Refused | Stage::Held) {
        return Verdict::Afresh;
    }
    if subject.merge_commit != us.subject.merge_commit {
        return Verdict::Foreign("the state in the comment is of another commit than the merge commit".to_owned());
    }
    if us.merge_event && record.origin != *us.origin {
        return Verdict::Taken(format!(
            "pull request #{} is being deployed by another use of this action ({}): give each its own `comment-key`",
            subject.pull_request,
            place(&record.origin)
        ));
    }
    if record.hand.nonce == us.hand.nonce {
        // This process wrote it, and did not see it at once.
        return if record.stage == Stage::Finished { Verdict::Report } else { Verdict::Take };
    }
    let later = record.hand.run == us.hand.run && us.hand.attempt > record.hand.attempt;
    let (began, tried) = record.hand.began();
    let again = began == us.hand.run && us.hand.attempt > tried;
    match record.stage {
        Stage::Finished if later || again => Verdict::Retry,
        Stage::Finished => Verdict::Report,
        _ if later || record.hand.released => Verdict::Take,
        _ => Verdict::AskAbout(record.hand.clone()),
    }
}

fn place(origin: &Origin) -> String {
    format!("workflow `{}`, job `{}`, step `{}`", origin.workflow, origin.job, origin.step)
}

/// A success that a state tells of counts only once GitHub has told it too: what needs it must wait for that.
pub fn doubt(deployment: &mut Deployment, now: Time) {
    match &deployment.progress {
        Progress::Ended { end: End::Succeeded, run: Some(_), .. } => deployment.proof = Proof::Claimed,
        Progress::Ended { end: End::Succeeded, run: None, .. } => {
            deployment.progress = Progress::Intended { at: now, note: Some("the state named no run".to_owned()) };
        }
        _ => {}
    }
}

/// Prepares a deployment of a finished rollout for one more try. What succeeded is kept, and so is what
/// was never tried, since its needs decide. `rerun` tells whether GitHub has its run unfinished or with a success:
/// people re-ran it by hand, and it is adopted instead.
pub fn try_again(deployment: &mut Deployment, rerun: bool) {
    let Progress::Ended { end, run, .. } = &deployment.progress else {
        return;
    };
    if *end == End::Succeeded {
        return;
    }
    if let Some(run) = run.clone().filter(|_| rerun) {
        deployment.progress = Progress::Followed(run);
        deployment.waiting_since = None;
        deployment.running_since = None;
        return;
    }
    deployment.tries = deployment.tries.saturating_add(1);
    deployment.progress = Progress::Planned;
    deployment.started_at = None;
    deployment.waiting_since = None;
    deployment.running_since = None;
    // Decisions were about the run of the last try.
    deployment.reviews = Vec::new();
}

/// A lost deployment that is not tried again, since it cannot be told whether its run exists: `unsure` says why.
pub fn stay_lost(deployment: &mut Deployment, unsure: &str) {
    let workflow = deployment.planned.workflow.clone();
    if let Progress::Ended { end: End::Lost, reason, .. } = &mut deployment.progress {
        *reason = Some(format!(
            "no run of it is known, and {unsure}, so it was not tried again: it may have been applied. Look at the runs of \
             `{workflow}`, and run that workflow by hand if none was for this; a `run-name` with \
             `${{{{ inputs.deployment_id }}}}` lets this be told"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Rollout;

    fn subject() -> Subject {
        Subject { repository: "o/r".to_owned(), pull_request: 5, merge_commit: "c".repeat(40), ..Subject::default() }
    }

    fn origin(step: &str) -> Origin {
        Origin { workflow: "w".to_owned(), job: "j".to_owned(), step: step.to_owned() }
    }

    fn hand(run: u64, attempt: u64, released: bool) -> Hand {
        Hand { run, attempt, nonce: "n".to_owned(), released, begun: None }
    }

    fn verdict(stage: Stage, holder: Hand, change: impl FnOnce(&mut Record)) -> Verdict {
        let rollout = Rollout { subject: subject(), started_at: Time::UNIX_EPOCH, deployments: vec![] };
        let mut record = Record { stage, hand: holder, origin: origin("s"), rollout };
        change(&mut record);
        let us = Us {
            subject: &subject(),
            hand: &Hand { nonce: "us".to_owned(), ..hand(7, 2, false) },
            origin: &origin("s"),
            merge_event: true,
        };
        judge(&record, &us)
    }

    #[test]
    fn who_holds_decides_who_goes_on() {
        use Stage::{Finished, Live};
        let same = |_: &mut Record| {};
        assert_eq!(verdict(Live, hand(7, 1, false), same), Verdict::Take);
        assert_eq!(verdict(Live, hand(9, 1, true), same), Verdict::Take);
        assert_eq!(verdict(Live, hand(9, 1, false), same), Verdict::AskAbout(hand(9, 1, false)));
        assert_eq!(verdict(Live, hand(7, 2, false), same), Verdict::AskAbout(hand(7, 2, false)));
        assert_eq!(verdict(Finished, hand(7, 1, true), same), Verdict::Retry);
        assert_eq!(verdict(Finished, hand(9, 1, true), same), Verdict::Report);
        assert_eq!(verdict(Finished, hand(7, 2, true), same), Verdict::Report);
        // A sweep finished it: the job that began it tries again, and only in a later attempt.
        let swept = |attempt| hand(9, 1, true).after(&hand(7, attempt, true));
        assert_eq!(verdict(Finished, swept(1), same), Verdict::Retry);
        assert_eq!(verdict(Finished, swept(2), same), Verdict::Report);
        assert_eq!(
            verdict(Live, Hand { released: false, ..swept(1) }, same),
            Verdict::AskAbout(Hand { released: false, ..swept(1) })
        );
        assert_eq!(verdict(Stage::Refused, hand(7, 1, true), same), Verdict::Afresh);
    }

    #[test]
    fn a_state_of_something_else_is_not_believed() {
        let foreign: [fn(&mut Record); 3] = [
            |record| {
                record.rollout.subject.repository = "o/other".to_owned();
                record.rollout.subject.merge_commit = "d".repeat(40);
            },
            |record| record.rollout.subject.pull_request = 6,
            |record| record.rollout.subject.merge_commit = "d".repeat(40),
        ];
        for change in foreign {
            assert!(matches!(verdict(Stage::Live, hand(7, 1, true), change), Verdict::Foreign(_)));
        }
    }

    #[test]
    fn a_renamed_repository_goes_on_with_what_it_began() {
        let renamed = |record: &mut Record| record.rollout.subject.repository = "o/before".to_owned();
        assert_eq!(verdict(Stage::Live, hand(7, 1, true), renamed), Verdict::Take);
    }

    #[test]
    fn another_step_with_the_same_key_is_an_error() {
        let other = |record: &mut Record| record.origin = origin("another");
        assert!(
            matches!(verdict(Stage::Live, hand(7, 1, true), other), Verdict::Taken(why) if why.contains("comment-key"))
        );
    }
}
