//! From what each item became to the rollout's order: each deployment after all it needs.
//!
//! Needs are between deployments, not between items: a component's deployment to production needs the
//! other's deployment to production, and two items may well need one another in different environments.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::Planned;
use crate::{
    affected::Item,
    checks::Check,
    config::Config,
    finding::{Finding, Severity, quoted},
    graph,
};

/// Puts the deployments in order and gives each its needs.
pub(super) fn order(config: &Config, items: &[Item], mapped: Vec<Vec<Planned>>) -> Result<Vec<Planned>, Finding> {
    let mut rows: Vec<Planned> = Vec::new();
    let mut of_item: Vec<Vec<usize>> = Vec::new();
    for planned in mapped {
        of_item.push((rows.len()..rows.len() + planned.len()).collect());
        rows.extend(planned);
    }
    let stands = Stands { items, of_item: &of_item, rows: &rows };
    let mut needs: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); rows.len()];
    for (item, own) in items.iter().zip(&of_item) {
        let groups: Vec<Vec<usize>> = item.needs.iter().map(|need| stands.deployments(need.items())).collect();
        for row in own {
            if let (Some(slot), Some(planned)) = (needs.get_mut(*row), rows.get(*row).filter(|row| row.skip.is_none()))
            {
                groups.iter().for_each(|group| slot.extend(nearest(&rows, group, &planned.environment)));
            }
        }
    }
    add_after(config, &rows, &mut needs);
    let needs: Vec<Vec<usize>> = needs.into_iter().map(|needs| needs.into_iter().collect()).collect();
    let order = graph::order(&needs).map_err(|cycle| cycle_finding(&rows, &cycle))?;
    Ok(arrange(rows, &needs, &order))
}

/// Finds the deployments an item stands for.
struct Stands<'a> {
    items: &'a [Item],
    of_item: &'a [Vec<usize>],
    rows: &'a [Planned],
}

impl Stands<'_> {
    /// The deployments of all these items; one that is not deployed hands on what it needs itself.
    fn deployments(&self, needed: &[usize]) -> Vec<usize> {
        let mut found = BTreeSet::new();
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        let mut queue: VecDeque<usize> = needed.iter().copied().collect();
        while let Some(item) = queue.pop_front() {
            if !seen.insert(item) {
                continue;
            }
            let own = self.of_item.get(item).map(Vec::as_slice).unwrap_or_default();
            let skipped = |row: &usize| self.rows.get(*row).is_none_or(|row| row.skip.is_some());
            found.extend(own.iter().copied().filter(|row| !skipped(row)));
            if own.iter().all(skipped) {
                queue.extend(
                    self.items.get(item).into_iter().flat_map(|item| &item.needs).flat_map(|need| need.items()),
                );
            }
        }
        found.into_iter().collect()
    }
}

/// Those in the same environment, else all.
fn nearest(rows: &[Planned], group: &[usize], environment: &str) -> Vec<usize> {
    let environment = environment.to_lowercase();
    let here = |row: &&usize| rows.get(**row).is_some_and(|row| row.environment.to_lowercase() == environment);
    let same: Vec<usize> = group.iter().filter(here).copied().collect();
    if same.is_empty() { group.to_vec() } else { same }
}

/// What `environments.*.after` asks for: the same component, in any stack.
fn add_after(config: &Config, rows: &[Planned], needs: &mut [BTreeSet<usize>]) {
    if config.environments.iter().all(|environment| environment.after.is_empty()) {
        return;
    }
    let mut places: HashMap<(&str, Option<&str>, String), Vec<usize>> = HashMap::new();
    for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.skip.is_none()) {
        places.entry((&row.component, row.kind.as_deref(), row.environment.to_lowercase())).or_default().push(index);
    }
    for (row, slot) in rows.iter().zip(needs).filter(|(row, _)| row.skip.is_none()) {
        for before in config.before(&row.environment) {
            let found = places.get(&(row.component.as_str(), row.kind.as_deref(), before.to_lowercase()));
            slot.extend(found.into_iter().flatten());
        }
    }
}

fn arrange(rows: Vec<Planned>, needs: &[Vec<usize>], order: &[usize]) -> Vec<Planned> {
    let mut place = vec![0; rows.len()];
    for (new, old) in order.iter().enumerate() {
        if let Some(slot) = place.get_mut(*old) {
            *slot = new;
        }
    }
    let mut rows: Vec<Option<Planned>> = rows.into_iter().map(Some).collect();
    order
        .iter()
        .filter_map(|old| {
            let mut planned = rows.get_mut(*old)?.take()?;
            planned.needs = needs.get(*old)?.iter().filter_map(|need| place.get(*need).copied()).collect();
            planned.needs.sort_unstable();
            Some(planned)
        })
        .collect()
}

fn cycle_finding(rows: &[Planned], cycle: &[usize]) -> Finding {
    let name = |row: &Planned| format!("{} → {}", row.name(), quoted(&row.environment));
    let names: Vec<String> = cycle.iter().chain(cycle.first()).filter_map(|index| rows.get(*index)).map(name).collect();
    Finding::of(
        Check::Cycle,
        Severity::Error,
        format!("form a cycle: {}", names.join(" needs ")),
        "Remove one of these dependencies where the components declare them (for Atmos, `settings.depends_on` or \
         `dependencies`; in a list, `needs`), or an `after` of the config file",
    )
    .about("dependencies")
}
