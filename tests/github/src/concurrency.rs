//! Concurrency groups: one holder each, one or many behind it.
//! <https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency>

use std::collections::BTreeMap;

use crate::workflow::Concurrency;

/// A run, or one job of it, that wants a group for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub run: u64,
    pub attempt: u32,
    pub job: Option<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Groups(BTreeMap<String, Group>);

#[derive(Debug, Default)]
struct Group {
    holder: Option<Claim>,
    waiting: Vec<Claim>,
}

/// What became of a claim.
pub(crate) struct Claimed {
    pub held: bool,
    /// Those whose place was taken.
    pub cancelled: Vec<Claim>,
}

impl Groups {
    pub fn claim(&mut self, wanted: &Concurrency, claim: Claim) -> Claimed {
        let group = self.0.entry(wanted.group.to_lowercase()).or_default();
        let mut cancelled = Vec::new();
        if group.holder.is_none() {
            group.holder = Some(claim);
            return Claimed { held: true, cancelled };
        }
        if !wanted.keeps_all {
            cancelled.append(&mut group.waiting);
        }
        if wanted.cancel_in_progress {
            cancelled.extend(group.holder.replace(claim));
            return Claimed { held: true, cancelled };
        }
        group.waiting.push(claim);
        Claimed { held: false, cancelled }
    }

    /// Gives up everything a claim has; returns those who hold a group now.
    pub fn release(&mut self, gone: Claim) -> Vec<Claim> {
        let mut next = Vec::new();
        for group in self.0.values_mut() {
            group.waiting.retain(|claim| *claim != gone);
            if group.holder == Some(gone) {
                group.holder = (!group.waiting.is_empty()).then(|| group.waiting.remove(0));
                next.extend(group.holder);
            }
        }
        next
    }
}
