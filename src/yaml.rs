//! Why a text is no YAML, for people: the library speaks to programmers.

use serde_saphyr::{Error, budget::BudgetBreach};

use crate::finding::quoted;

/// What is wrong with a text, with its line and column from 1.
pub fn told(error: &Error) -> (u64, u64, String) {
    let (line, column) = error.location().map_or((1, 1), |location| (location.line(), location.column()));
    let what = match error.without_snippet() {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {} is there twice: every key must be there once", quoted(key))
        }
        Error::DuplicateMappingKey { key: None, .. } => "a key is there twice: every key must be there once".to_owned(),
        Error::MultipleDocuments { .. } | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            "a second document begins here (`---`): the file must be one".to_owned()
        }
        Error::Budget { .. } => "it is too large, or nested too deeply".to_owned(),
        Error::UnknownAnchor { .. } => "it names an anchor (`*name`) that no `&name` before it defines".to_owned(),
        Error::Eof { .. } => "the file ends in the middle of a value".to_owned(),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => "`<<` takes a mapping or a list of mappings".to_owned(),
        Error::SerdeInvalidType { .. } | Error::NullIntoString { .. } | Error::InvalidScalar { .. } => {
            "a key must be a text".to_owned()
        }
        other => {
            let told = other.to_string();
            let told = told.lines().next().unwrap_or_default();
            let told = told.strip_prefix("error: ").unwrap_or(told);
            let at = format!("line {line} column {column}: ");
            let told = told.replace(&at, "").replace(&format!(" at line {line}, column {column}"), "");
            format!("it is no YAML: {told}")
        }
    };
    (line, column, what)
}
