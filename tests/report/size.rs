//! Whatever the rollout, the comment fits, no Markdown is broken, and no problem goes unseen.

use deployment_approvals::{
    report::Watcher,
    rollout::{Deployment, End, Status},
};
use proptest::prelude::*;

use crate::given::{Becomes, Given, deployment, given};

/// One deployment of any kind, with any text anywhere.
fn any_deployment() -> impl Strategy<Value = Deployment> {
    let text = || prop_oneof![4 => "[a-z/-]{1,30}", 1 => any::<String>(), 1 => ".{0,600}"];
    (0..12u8, text(), text(), text(), text(), 1..u64::MAX / 2).prop_map(
        |(kind, component, stack, environment, words, id)| {
            let one = deployment(&component, &stack, &environment);
            match kind {
                0 => one,
                1 => one.queued(id),
                2 => one.running(id),
                3 => one.waiting(id, &["mona", &words]),
                4 => one.waiting(id, &[]).timer(id % 50_000),
                5 => one.ended(id, End::Failed, &words),
                6 => one.reviewed("rejected", &words, &words).ended(id, End::Rejected, &words),
                7 => one.ended(id, End::Cancelled, &words),
                8 => one.ended(id, End::TimedOut, &words),
                9 => one.ended(0, End::Lost, &words),
                10 => one.ended(id, End::Expired, &words),
                _ => one.reviewed("approved", &words, &words).succeeded(id),
            }
        },
    )
}

fn any_rollout() -> impl Strategy<Value = Given> {
    let few = (prop::collection::vec(any_deployment(), 0..20), 1usize..3);
    let many = (prop::collection::vec(any_deployment(), 20..60), 1usize..21);
    (prop_oneof![few, many], any::<Option<String>>(), prop::collection::vec(any::<u16>(), 0..20)).prop_map(
        |((some, times), nobody, needs)| {
            // A large rollout is a small one again and again, so that a case takes no minute.
            let mut all: Vec<Deployment> = (0..times).flat_map(|_| some.clone()).collect();
            for (index, need) in needs.into_iter().enumerate().skip(1).take(all.len().saturating_sub(1)) {
                if let Some(deployment) = all.get_mut(index) {
                    deployment.planned.needs = vec![usize::from(need) % index];
                }
            }
            let watcher = nobody.map_or(Watcher::Here, Watcher::Nobody);
            Given { watcher, ..given(all) }
        },
    )
}

/// Details and fences are closed, and each row of a table is whole.
fn whole(text: &str) -> Result<(), TestCaseError> {
    let (mut details, mut fenced, mut columns) = (0, false, 0);
    for line in text.lines() {
        let line = line.trim_start();
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            details += line.matches("<details").count();
            details -= line.matches("</details>").count();
            let bars = line.matches('|').count();
            if line.starts_with('|') {
                prop_assert!(line.ends_with('|') && (columns == 0 || columns == bars), "a broken row: {line}");
                columns = bars;
            } else {
                columns = 0;
            }
        }
    }
    prop_assert!(details == 0 && !fenced, "{details} open details, fence open: {fenced}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_rollout_fits_and_breaks_nothing_and_hides_no_problem(given in any_rollout(), state in 0usize..60_000) {
        let state = "A".repeat(state);
        let body = given.body_with(&state);
        prop_assert!(body.len() <= 65_536, "{} bytes", body.len());
        prop_assert!(body.starts_with("<!-- deployment-approvals key:"));
        let last = format!("<!-- deployment-approvals-state {state} -->\n");
        prop_assert!(body.ends_with(&last));
        whole(&body)?;
        // Counts and their words are kept on one line by characters that do not break it.
        let headline = body.lines().nth(1).unwrap_or_default().replace('\u{a0}', " ").replace('\u{2011}', "-");
        let standings = given.rollout.standings();
        let bad =
            [Status::Waiting, Status::Failed, Status::TimedOut, Status::Expired, Status::Lost, Status::Rejected, Status::Cancelled];
        for status in bad {
            let count = standings.iter().filter(|standing| standing.status == status).count();
            let all = standings.len();
            let counted = [format!("{count} {}", status.word()), format!(" {count} of {all} deployment")];
            prop_assert!(count == 0 || counted.iter().any(|text| headline.contains(text)), "{count} {status:?} in {headline}");
        }
        let summary = given.summary();
        prop_assert!(summary.len() <= 1_048_576, "{} bytes", summary.len());
        whole(&summary)?;
    }
}
