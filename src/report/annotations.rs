//! Findings as annotations of the run. GitHub shows ten of each kind a step, so the most important come first
//! and the last one says how many there are besides.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>

use super::{
    escape,
    log::{self, COMMAND},
};
use crate::finding::{Finding, Severity};

/// Findings of a kind that become annotations of their own.
const MOST: usize = 9;

/// Shows all findings, which are in order of importance already.
pub fn show(findings: &[Finding]) {
    for severity in [Severity::Error, Severity::Warning] {
        let all: Vec<&Finding> = findings.iter().filter(|finding| finding.severity == severity).collect();
        all.iter().take(MOST).for_each(|finding| tracing::info!(target: COMMAND, "{}", command(finding)));
        let more = all.len().saturating_sub(MOST);
        if more == 0 {
            continue;
        }
        let text = format!("and {more} more, in the log below and in the job summary");
        match severity {
            Severity::Error => tracing::error!("{text}"),
            Severity::Warning => tracing::warn!("{text}"),
        }
        log::group("the rest of what the checks found", || {
            all.iter().skip(MOST).for_each(|finding| tracing::info!("{}: {}", finding.check.code(), finding.line()));
        });
    }
}

/// The workflow command of a finding, with its check as the title and its place in the file.
fn command(finding: &Finding) -> String {
    let kind = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = format!("title={}", escape::command_property(finding.check.code()));
    if let Some(place) = &finding.place {
        properties.push_str(&format!(",file={}", escape::command_property(&place.file)));
        if let Some(line) = place.line {
            properties.push_str(&format!(",line={line}"));
        }
        if let Some(column) = place.column {
            properties.push_str(&format!(",col={column}"));
        }
    }
    format!("::{kind} {properties}::{}", escape::command_data(&finding.line()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Check;

    #[test]
    fn a_finding_becomes_a_command_that_nothing_foreign_can_break() {
        let finding = Finding::of(Check::InputValue, Severity::Error, "takes no `a\n::set-env::b`", "Mend it")
            .at(".github/workflows/a,b:c.yml", Some(7));
        assert_eq!(
            command(&finding),
            "::error title=input-value,file=.github/workflows/a%2Cb%3Ac.yml,line=7::takes no `a%0A::set-env::b` (in `.github/workflows/a,b:c.yml:7`). Mend it"
        );
    }
}
