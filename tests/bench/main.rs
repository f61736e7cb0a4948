//! How long lists take, and how much memory: `cargo bench`. Nothing is asked of GitHub.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "a benchmark prints")]

use std::{collections::BTreeSet, fs, time::Instant};

use deployment_approvals::{
    affected::{self, List, Sight},
    config::Config,
    plan::{self, Subject},
};
use serde_json::{Value, json};

/// As many affected items as the largest real list that was seen.
const ITEMS: usize = 2_422;

const CONFIG: &str = "workflow: apply.yml
inputs: {component: '{{ component }}', stack: '{{ stack }}', environment: '{{ environment }}', sha: '{{ sha }}'}
rules:
  - {match: {path: 'live/{stage}/{component}/**'}, environment: '{{ stage }}'}
  - {match: {component: 'svc-*'}, environment: [dev, prod]}
  - {match: {stack: '{tenant}-{region}-{stage}'}, environment: '{{ stage }}'}
";

fn node(index: usize, depth: usize) -> Value {
    let dependents: Vec<Value> = match depth {
        0 => Vec::new(),
        _ => (1..=3).map(|step| node((index + step * 7) | 1 << 20, depth - 1)).collect(),
    };
    json!({
        "component": format!("component-{index}"), "component_type": "terraform", "stack": "plat-use2-prod",
        "component_path": format!("components/terraform/c{index}"), "stack_slug": format!("plat-use2-prod-c{index}"),
        "affected": "stack.vars", "included_in_dependents": false, "dependents": dependents, "settings": null,
    })
}

fn measured<T>(what: &str, work: impl FnOnce() -> T) -> T {
    // Where the kernel allows it, the peak begins anew.
    drop(fs::write("/proc/self/clear_refs", "5"));
    let begin = Instant::now();
    let result = work();
    let time = begin.elapsed();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned();
    println!("{what}: {:.0} ms, peak memory of the process {peak}", time.as_secs_f64() * 1000.0);
    result
}

fn main() {
    let config = Config::parse("deployments.yml", CONFIG).unwrap();
    let subject = Subject { base_ref: "main".to_owned(), merge_commit: "c".repeat(40), ..Subject::default() };
    let text = Value::from((0..ITEMS).map(|index| node(index, 3)).collect::<Vec<_>>()).to_string();
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
