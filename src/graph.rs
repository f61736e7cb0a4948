//! Dependencies: the order in which they allow things to happen, or the cycle that allows none.

use crate::ordered::Ordered;
use std::collections::BTreeSet;

/// Orders `0..needs.len()` so that each comes after all it needs, otherwise as given.
///
/// # Errors
/// The members of one cycle, each needing the next and the last the first.
pub fn order(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut missing: Vec<usize> = needs.iter().map(|needs| needs.iter().ordered::<BTreeSet<&usize>>().len()).collect();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (index, needs) in needs.iter().enumerate() {
        for need in needs.iter().ordered::<BTreeSet<&usize>>() {
            if let Some(list) = needed_by.get_mut(*need) {
                list.push(index);
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..needs.len()).filter(|index| missing.get(*index) == Some(&0)).ordered();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for dependent in needed_by.get(next).into_iter().flatten() {
            if let Some(count) = missing.get_mut(*dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(*dependent);
                }
            }
        }
    }
    if order.len() == needs.len() { Ok(order) } else { Err(cycle(needs, &missing)) }
}

/// Walks from need to need among what could not be ordered, until a member comes up again.
fn cycle(needs: &[Vec<usize>], missing: &[usize]) -> Vec<usize> {
    let stuck = |index: &usize| missing.get(*index).is_some_and(|count| *count > 0);
    let mut path: Vec<usize> = (0..needs.len()).find(stuck).into_iter().collect();
    while let Some(last) = path.last() {
        let Some(next) = needs.get(*last).into_iter().flatten().copied().find(stuck) else {
            break;
        };
        if let Some(start) = path.iter().position(|member| *member == next) {
            return path.split_off(start);
        }
        path.push(next);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_needs_nothing_keeps_its_place() {
        assert_eq!(order(&[vec![], vec![], vec![]]), Ok(vec![0, 1, 2]));
        assert_eq!(order(&[vec![2], vec![], vec![]]), Ok(vec![1, 2, 0]));
    }

    #[test]
    fn a_cycle_is_named_without_what_only_leads_to_it() {
        assert_eq!(order(&[vec![1], vec![2], vec![1], vec![]]), Err(vec![1, 2]));
        assert_eq!(order(&[vec![0]]), Err(vec![0]));
    }

    proptest! {
        #[test]
        fn every_order_respects_every_need_and_every_refusal_is_a_real_cycle(
            needs in prop::collection::vec(prop::collection::vec(0usize..12, 0..4), 12)
        ) {
            match order(&needs) {
                Ok(order) => {
                    let place = |index: usize| order.iter().position(|other| *other == index);
                    for (index, needs) in needs.iter().enumerate() {
                        for need in needs {
                            prop_assert!(place(*need) < place(index));
                        }
                    }
                }
                Err(cycle) => {
                    prop_assert!(!cycle.is_empty());
                    for (member, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
                        prop_assert!(needs[*member].contains(next));
                    }
                }
            }
        }
    }
}
