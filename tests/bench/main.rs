//! How long lists take, and how much memory: `cargo bench`. Nothing is asked of GitHub.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "a benchmark prints")]

use std::{collections::BTreeSet, fs, time::Instant};

use deployment_approvals::{
    affected::{self, List, Sight},
    config::Config,
    plan::{self, Subject},
};

/// As many affected items as the largest real list that was seen.
const ITEMS: usize = 2_422;

const CONFIG: &str = "workflow: apply.yml
inputs: {component: '{{ component }}', stack: '{{ stack }}', environment: '{{ environment }}', sha: '{{ sha }}'}
rules:
  - {match: {path: 'live/{stage}/{component}/**'}, environment: '{{ stage }}'}
  - {match: {component: 'svc-*'}, environment: [dev, prod]}
  - {match: {stack: '{tenant}-{region}-{stage}'}, environment: '{{ stage }}'}
";

/// Written by hand: a tree of values would leave more memory behind than what is measured takes.
fn node(text: &mut String, index: usize, depth: usize) {
    text.push_str(&format!(
        r#"{{"component":"component-{index}","component_type":"terraform","stack":"plat-use2-prod","#
    ));
    text.push_str(&format!(
        r#""component_path":"components/terraform/c{index}","stack_slug":"plat-use2-prod-c{index}","#
    ));
    text.push_str(r#""affected":"stack.vars","included_in_dependents":false,"settings":null,"dependents":["#);
    for step in 1..=(if depth == 0 { 0 } else { 3 }) {
        text.push_str(if step == 1 { "" } else { "," });
        node(text, (index + step * 7) | 1 << 20, depth - 1);
    }
    text.push_str("]}");
}

/// A figure of this process in MB, as the kernel tells it.
fn memory(figure: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

fn measured<T>(what: &str, work: impl FnOnce() -> T) -> T {
    // Where the kernel allows it, the peak begins anew.
    drop(fs::write("/proc/self/clear_refs", "5"));
    let before = memory("VmRSS:");
    let begin = Instant::now();
    let result = work();
    let time = begin.elapsed();
    println!(
        "{what}: {:.0} ms, peak memory {:.0} MB, of which {before:.0} MB were there before (the list's text)",
        time.as_secs_f64() * 1000.0,
        memory("VmHWM:")
    );
    result
}

fn main() {
    let config = Config::parse("deployments.yml", CONFIG).unwrap();
    let subject = Subject { base_ref: "main".to_owned(), merge_commit: "c".repeat(40), ..Subject::default() };
    let mut text = "[".to_owned();
    for index in 0..ITEMS {
        text.push_str(if index == 0 { "" } else { "," });
        node(&mut text, index, 3);
    }
    text.push(']');
    println!("{ITEMS} affected items with trees of dependents: {} MB of JSON", text.len() / 1_000_000);
    let plan = measured("read, resolve and order", || {
        let Ok(List::Items(items)) = affected::parse(&text) else { panic!("a list of components") };
        plan::make(&subject, &config, &items)
    });
    match plan {
        Ok((plan, _)) => println!("  {} deployments", plan.len()),
        Err(findings) => println!("  refused: {}", findings.first().map(|finding| finding.line()).unwrap_or_default()),
    }
    drop(text);
    let lines: String = (0..1_000_000).map(|index| format!("live/prod/c{}/f{index}.tf\n", index % 500)).collect();
    let items = measured("a million lines of text", || {
        let Ok(List::Lines(lines)) = affected::parse(&lines) else { panic!("lines") };
        let sight = |line: affected::Line| Sight { path: line.text, removed: false, line: Some(line.number) };
        let sights: Vec<Sight> = lines.into_iter().map(sight).collect();
        affected::map(&config, &sights, &BTreeSet::new()).items.len()
    });
    println!("  {items} components");
}
