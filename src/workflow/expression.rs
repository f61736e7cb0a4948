//! As much of GitHub's expressions as tells what an input becomes. What is not understood is unknown, never
//! guessed.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/expressions>

use std::collections::BTreeMap;

/// What the inputs are where an expression stands. A name that is missing is an empty text, as GitHub has it;
/// `None` is a value that cannot be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// `inputs`, by name in lower case.
    pub inputs: BTreeMap<String, Option<String>>,
    /// `github.event.inputs`, by name in lower case.
    pub event: BTreeMap<String, Option<String>>,
}

/// A text with its expressions filled in, if that can be told.
pub fn resolve(text: &str, scope: &Scope) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, behind) = split_end(after)?;
        filled.push_str(before);
        filled.push_str(&value(expression, scope)?);
        rest = behind;
    }
    filled.push_str(rest);
    Some(filled)
}

/// Splits at the `}}` that is in no string.
fn split_end(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut before = '\0';
    for (place, letter) in text.char_indices() {
        if letter == '\'' {
            quoted = !quoted;
        } else if letter == '}' && before == '}' && !quoted {
            return Some((text.get(..place - 1)?, text.get(place + 1..)?));
        }
        before = letter;
    }
    None
}

/// The value of `a`, or of `a || b || …`: the first that is not empty, else the last.
fn value(expression: &str, scope: &Scope) -> Option<String> {
    let mut last = None;
    for operand in alternatives(expression) {
        let value = operand_value(operand.trim(), scope)?;
        if !value.is_empty() {
            return Some(value);
        }
        last = Some(value);
    }
    last
}

/// The operands of `||`, outside of strings.
fn alternatives(expression: &str) -> Vec<&str> {
    let mut operands = Vec::new();
    let mut quoted = false;
    let mut start = 0;
    let mut before = '\0';
    for (place, letter) in expression.char_indices() {
        if letter == '\'' {
            quoted = !quoted;
        } else if letter == '|' && before == '|' && !quoted {
            operands.extend(expression.get(start..place - 1));
            start = place + 1;
            before = '\0';
            continue;
        }
        before = letter;
    }
    operands.extend(expression.get(start..));
    operands
}

fn operand_value(operand: &str, scope: &Scope) -> Option<String> {
    if let Some(literal) = operand.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        let text = literal.replace("''", "\0");
        return (!text.contains('\'')).then(|| text.replace('\0', "'"));
    }
    let (context, name) = reference(operand)?;
    let values = if context == "inputs" { &scope.inputs } else { &scope.event };
    values.get(&name).cloned().unwrap_or_else(|| Some(String::new()))
}

/// `inputs.x`, `github.event.inputs.x` and `inputs['x']`, whatever the case and the spaces round it.
fn reference(operand: &str) -> Option<(&'static str, String)> {
    let lower = operand.to_ascii_lowercase();
    let (context, rest) = ["github.event.inputs", "inputs"]
        .into_iter()
        .find_map(|context| Some((context, lower.strip_prefix(context)?.trim())))?;
    let indexed = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::trim);
    let name = match indexed {
        Some(index) => index.strip_prefix('\'')?.strip_suffix('\'')?,
        None => rest.strip_prefix('.')?.trim(),
    };
    let usable = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    (!name.is_empty() && name.chars().all(usable)).then(|| (context, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope() -> Scope {
        let map = |pairs: &[(&str, Option<&str>)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
        };
        Scope {
            inputs: map(&[("env", Some("prod")), ("none", Some("")), ("odd", None)]),
            event: map(&[("env", Some("event-prod"))]),
        }
    }

    #[test]
    fn references_to_inputs_are_understood_however_they_are_written() {
        for (text, value) in [
            ("prod", Some("prod")),
            ("${{ inputs.env }}", Some("prod")),
            ("${{inputs.ENV}}", Some("prod")),
            ("${{  Inputs . env  }}", Some("prod")),
            ("${{ inputs['env'] }}", Some("prod")),
            ("${{ github.event.inputs.env }}", Some("event-prod")),
            ("eu-${{ inputs.env }}-1", Some("eu-prod-1")),
            ("${{ inputs.none || 'dev' }}", Some("dev")),
            ("${{ inputs.env || vars.X }}", Some("prod")),
            ("${{ 'it''s }} here' }}", Some("it's }} here")),
            ("${{ inputs.unset }}", Some("")),
            ("${{ inputs.odd }}", None),
            ("${{ vars.ENV }}", None),
            ("${{ matrix.env }}", None),
            ("${{ format('{0}', inputs.env) }}", None),
            ("${{ inputs.env == 'prod' && 'a' || 'b' }}", None),
            ("${{ inputs.env", None),
            ("${{ inputs.a b }}", None),
        ] {
            assert_eq!(resolve(text, &scope()).as_deref(), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in ".{0,40}(\\$\\{\\{.{0,20}['|}]{0,4}.{0,10})?") {
            let _ = resolve(&text, &scope());
        }
    }
}
