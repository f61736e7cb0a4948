//! What all deployments together come to: counts, the result, and whether the step fails.

use crate::{
    inputs::FailOn,
    rollout::{Standing, Status},
};

/// The output `result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every deployment that was to be made succeeded.
    Succeeded,
    /// At least one failed, timed out, expired or was lost; or something was wrong before the first.
    Failed,
    /// At least one was rejected.
    Rejected,
    /// At least one was cancelled.
    Cancelled,
    /// At least one has not ended.
    Pending,
    /// More deployments than `max-deployments`: nothing was dispatched.
    Held,
    /// Nothing was to be deployed by this run, on purpose.
    Skipped,
    /// Nothing is affected.
    NothingToDeploy,
}

impl Outcome {
    /// The public name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Skipped => "skipped",
            Self::NothingToDeploy => "nothing-to-deploy",
        }
    }
}

/// Counts that add up to all deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// `succeeded`
    pub succeeded: usize,
    /// `failed`, `timed-out`, `expired` and `lost`
    pub failed: usize,
    /// `rejected`
    pub rejected: usize,
    /// `cancelled`
    pub cancelled: usize,
    /// `skipped`
    pub skipped: usize,
    /// Everything unfinished.
    pub pending: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        let Self { succeeded, failed, rejected, cancelled, skipped, pending } = other;
        self.succeeded += succeeded;
        self.failed += failed;
        self.rejected += rejected;
        self.cancelled += cancelled;
        self.skipped += skipped;
        self.pending += pending;
    }
}

impl Tally {
    /// Counts the standings.
    pub fn of(standings: &[Standing]) -> Self {
        let mut tally = Self::default();
        for standing in standings {
            let count = match standing.status {
                Status::Succeeded => &mut tally.succeeded,
                Status::Failed | Status::TimedOut | Status::Expired | Status::Lost => &mut tally.failed,
                Status::Rejected => &mut tally.rejected,
                Status::Cancelled => &mut tally.cancelled,
                Status::Skipped => &mut tally.skipped,
                Status::Blocked | Status::Dispatching | Status::Queued | Status::Waiting | Status::Running => {
                    &mut tally.pending
                }
            };
            *count += 1;
        }
        tally
    }

    /// How many there are.
    pub fn all(self) -> usize {
        self.succeeded + self.failed + self.rejected + self.cancelled + self.skipped + self.pending
    }

    /// The worst of all.
    pub fn result(self) -> Outcome {
        match self {
            Self { failed: 1.., .. } => Outcome::Failed,
            Self { rejected: 1.., .. } => Outcome::Rejected,
            Self { cancelled: 1.., .. } => Outcome::Cancelled,
            Self { pending: 1.., .. } => Outcome::Pending,
            Self { succeeded: 1.., .. } => Outcome::Succeeded,
            Self { skipped: 1.., .. } => Outcome::Skipped,
            _ => Outcome::NothingToDeploy,
        }
    }

    /// Whether these ends fail the step. What has not ended does not: how waiting ends is `on-timeout`'s.
    pub fn fails(self, fail_on: FailOn) -> bool {
        match fail_on {
            FailOn::Never => false,
            FailOn::Failure => self.failed + self.cancelled > 0,
            FailOn::Any => self.failed + self.cancelled + self.rejected > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(statuses: &[Status]) -> Tally {
        let standings: Vec<_> =
            statuses.iter().map(|status| Standing { status: *status, reason: String::new(), ready: false }).collect();
        Tally::of(&standings)
    }

    #[test]
    fn the_result_is_the_worst_of_all() {
        use Status::*;
        let table: [(&[Status], &str); 10] = [
            (&[Succeeded, Succeeded], "succeeded"),
            (&[Succeeded, Skipped], "succeeded"),
            (&[Succeeded, Running], "pending"),
            (&[Running, Cancelled], "cancelled"),
            (&[Cancelled, Rejected, Skipped], "rejected"),
            (&[Rejected, Failed, Running], "failed"),
            (&[Rejected, Lost], "failed"),
            (&[Rejected, Expired], "failed"),
            (&[Skipped], "skipped"),
            (&[], "nothing-to-deploy"),
        ];
        for (statuses, word) in table {
            assert_eq!(tally(statuses).result().word(), word, "{statuses:?}");
            assert_eq!(tally(statuses).all(), statuses.len());
        }
    }

    #[test]
    fn fail_on_failure_lets_a_rejection_and_what_it_skipped_pass() {
        use Status::*;
        let rejected = tally(&[Succeeded, Rejected, Skipped]);
        assert!(rejected.fails(FailOn::Any) && !rejected.fails(FailOn::Failure));
        let failed = tally(&[Failed]);
        assert!(failed.fails(FailOn::Failure) && !failed.fails(FailOn::Never));
        assert!(!tally(&[Running, Blocked]).fails(FailOn::Any));
    }
}
