//! From a push to the merged pull requests it brought.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;

use crate::{
    begin::Job,
    event::Push,
    github::{Github, Pull, Trouble},
};

/// The merged pull requests a push brought to a branch, the last one last. The push may precede its link to
/// the pull request, so that GitHub is asked again.
///
/// # Errors
/// GitHub cannot be asked.
pub async fn merged(job: &Job<'_>, github: &Github, push: &Push) -> Result<Vec<Pull>, Trouble> {
    let mut left = job.tempo.push_link;
    let pause = job.tempo.push_link / 12;
    loop {
        let mut merged = merged_into(github, &push.branch, &push.commit).await?;
        if !merged.is_empty() {
            if push.more > 0 {
                tracing::warn!(
                    "the push brings {} commits, and the pull requests of the last {} are looked for: one that was merged \
                     by an older commit needs a run of this workflow by `workflow_dispatch` with `pull-request`",
                    push.before.len() + push.more + 1,
                    push.before.len() + 1
                );
            }
            let others = push.before.iter().map(|commit| merged_into(github, &push.branch, commit));
            for pulls in futures_util::future::join_all(others).await {
                merged.extend(pulls?);
            }
            let last = |pull: &Pull| pull.merge_commit.as_deref() == Some(push.commit.as_str());
            merged.sort_by_key(|pull| (last(pull), pull.merged_at, pull.number));
            let mut seen = BTreeSet::new();
            merged.reverse();
            merged.retain(|pull| seen.insert(pull.number));
            merged.reverse();
            // Their labels and files are asked for now: what the list of a commit says may be old.
            let pulls = try_join_all(merged.iter().map(|pull| github.pull(pull.number))).await?;
            // An answer that is older than the merge must not make a preview of it.
            if left.is_zero() || pulls.iter().all(|pull| pull.merged_at.is_some()) {
                return Ok(pulls);
            }
        }
        if left.is_zero() {
            return Ok(Vec::new());
        }
        left = left.saturating_sub(pause);
        job.patience.pause(pause, None).await?;
    }
}

/// The pull requests with this commit that were merged into this branch.
async fn merged_into(github: &Github, branch: &str, commit: &str) -> Result<Vec<Pull>, Trouble> {
    let mut pulls = match github.pulls_of(commit).await {
        Ok(pulls) => pulls,
        // A commit GitHub does not know yet.
        Err(Trouble::NotFound { .. } | Trouble::Refused { status: 409 | 422, .. }) => Vec::new(),
        Err(trouble) => return Err(trouble),
    };
    pulls.retain(|pull| pull.merged_at.is_some() && pull.base_ref == branch);
    Ok(pulls)
}
