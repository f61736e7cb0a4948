//! What can be told of the whole file: environments that wait for one another, rules that never match.

use std::collections::BTreeSet;

use super::{Config, Match, Pattern, Template, same_environment};
use crate::{
    finding::{Finding, quoted},
    graph,
    ordered::Ordered,
    yaml::Place,
};

/// `after` must not go round in a circle.
pub(super) fn after(config: &Config, mistakes: &mut Vec<(Place, String)>) {
    let place_of = |name: &str| config.environments.iter().position(|known| same_environment(&known.name, name));
    let needs: Vec<Vec<usize>> = config
        .environments
        .iter()
        .map(|environment| environment.after.iter().filter_map(|(name, _)| place_of(name)).collect())
        .collect();
    if let Err(cycle) = graph::order(&needs) {
        let members: Vec<_> =
            cycle.iter().chain(cycle.first()).filter_map(|index| config.environments.get(*index)).collect();
        let names: Vec<&str> = members.iter().map(|environment| environment.name.as_str()).collect();
        let place = members.first().and_then(|environment| environment.after.first()).map(|(_, place)| *place);
        mistakes.push((
            place.unwrap_or_default(),
            format!(
                "`after` goes round in a circle, so that nothing could begin: {}; take one of these away",
                names.join(" after ")
            ),
        ));
    }
}

/// Environments in `after` that nothing goes to: a doubt, no mistake, since where there is nothing, there is nothing to
/// wait for.
pub(super) fn doubts(config: &Config, present: &BTreeSet<String>) -> Vec<Finding> {
    unnamed(config)
        .filter(|(_, after, _)| !present.iter().any(|known| same_environment(known, after)))
        .map(|(environment, after, place)| {
            let finding = Finding::warning(
                format!("config {}, {place}", quoted(&config.file)),
                format!(
                    "`environments.{environment}.after` names `{after}`, which no rule and no affected component does"
                ),
                format!("If it is meant, list it under `environments` (`{after}: {{}}`); else correct the name"),
            );
            place.of(finding, &config.file)
        })
        .collect()
}

fn literals(config: &Config) -> BTreeSet<&str> {
    config.rules.iter().flat_map(|rule| &rule.environments).filter_map(Template::text).ordered()
}

/// Environments in `after` that neither a rule names nor `environments` lists.
fn unnamed(config: &Config) -> impl Iterator<Item = (&str, &str, Place)> {
    let literals = literals(config);
    let known: Vec<&str> =
        literals.into_iter().chain(config.environments.iter().map(|known| known.name.as_str())).collect();
    let entries = config.environments.iter().flat_map(|environment| {
        environment.after.iter().map(|(name, place)| (environment.name.as_str(), name.as_str(), *place))
    });
    entries.filter(move |(_, name, _)| !known.iter().any(|known| same_environment(known, name)))
}

/// Rules that can never match, because an earlier one matches all that they do.
pub(super) fn shadows(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, rule) in config.rules.iter().enumerate() {
        let earlier = config.rules.iter().take(index).find(|earlier| covers(&earlier.matcher, &rule.matcher));
        if let Some(earlier) = earlier {
            let finding = Finding::warning(
                format!("config {}, {}", quoted(&config.file), rule.told()),
                format!("can never match: {} comes before it and matches all that it does", earlier.told()),
                "Put it before that rule, or take it away",
            );
            findings.push(rule.place.of(finding, &config.file));
        }
    }
    findings
}

fn covers(wide: &Match, narrow: &Match) -> bool {
    let covered = |wide: &Option<Pattern>, narrow: &Option<Pattern>| match (wide, narrow) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => wide.covers(narrow),
        (Some(_), None) => false,
    };
    // A name that two patterns capture must be the same text in both, which narrows the rule further.
    let mut names = BTreeSet::new();
    let free = wide.names().all(|name| names.insert(name));
    let everything = wide.component.as_ref().is_some_and(|pattern| pattern.source() == "**");
    wide.deleted == narrow.deleted
        && free
        && (everything || covered(&wide.component, &narrow.component))
        && covered(&wide.stack, &narrow.stack)
        && covered(&wide.path, &narrow.path)
        && covered(&wide.kind, &narrow.kind)
}
