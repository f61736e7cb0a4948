//! Whether a pull request is deployed at all: its labels, and the branch it goes into. Pure: labels are asked of
//! GitHub before, since an event's are those of its first run.

use crate::{
    checks::Check,
    config::Config,
    finding::{Finding, Severity, quoted},
    github::Pull,
    inputs::Inputs,
};

/// Whether a pull request has a label, which is the same to GitHub whatever its case.
pub fn labelled(pull: &Pull, label: &str) -> bool {
    pull.labels.iter().any(|own| own.to_lowercase() == label.to_lowercase())
}

/// Says that a pull request's label keeps it from being deployed, if it does.
pub fn labelled_off(pull: &Pull, inputs: &Inputs) -> Option<String> {
    labelled(pull, &inputs.skip_label)
        .then(|| format!("pull request #{} has the label {}", pull.number, quoted(&inputs.skip_label)))
}

/// A pull request that is not to be deployed, among others, where a list does not say whose is what.
pub fn inseparable(pull: &Pull, wanted: &[&Pull], inputs: &Inputs) -> Finding {
    let numbers: Vec<String> = wanted.iter().map(|pull| format!("#{}", pull.number)).collect();
    let problem = format!(
        "has the label {} and was merged together with {}, and the list of affected components does not say which of \
         them are its own",
        quoted(&inputs.skip_label),
        numbers.join(", ")
    );
    let remedy = "Take the label away if it may be deployed too; else run this workflow by `workflow_dispatch` with \
                  `pull-request` for each of the others and a list of its own components, or leave `affected` empty and \
                  map changed files by rules";
    Finding::of(Check::List, Severity::Error, problem, remedy).about(format!("pull request #{}", pull.number))
}

/// Says that a pull request goes into a branch that is not deployed, if it does.
pub fn elsewhere(pull: &Pull, config: &Config) -> Option<String> {
    let number = pull.number;
    let default = pull.default_branch.as_deref();
    (!config.deploys(&pull.base_ref, default)).then(|| {
        let deployed = config.branches_told(default);
        format!("pull request #{number} goes into {}, and deployed is {deployed}", quoted(&pull.base_ref))
    })
}
