//! Templates: text with `{{ name }}`, in which a name that is not known is an error.

use crate::ordered::Ordered;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig};

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    names: BTreeSet<String>,
    plain: bool,
}

/// No filter, test or function is built in: names, text and `{% if %}` say what a mapping needs.
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        engine.set_syntax(syntax);
    }
    engine
});

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(source: &str) -> Result<Self, String> {
        let template =
            ENGINE.template_from_str(source).map_err(|error| format!("is no usable template: {}", told(&error)))?;
        let names = template.undeclared_variables(false).into_iter().ordered();
        let plain = !["{{", "{%", "{#"].iter().any(|mark| source.contains(mark));
        Ok(Self { source: source.to_owned(), names, plain })
    }

    /// The names it uses.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether it uses a name.
    pub fn uses(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The text, where nothing is to be filled in.
    pub fn text(&self) -> Option<&str> {
        self.plain.then_some(self.source.as_str())
    }

    /// The template as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Fills in the values.
    ///
    /// # Errors
    /// A name that has no value, with those that have one; or the template cannot be carried out.
    pub fn render(&self, values: &BTreeMap<String, String>) -> Result<String, String> {
        if self.plain {
            return Ok(self.source.clone());
        }
        if let Some(unknown) = self.names.iter().find(|name| !values.contains_key(*name)) {
            return Err(format!("uses `{unknown}`, which has no value here; known are {}", list(values.keys())));
        }
        let used = values.iter().filter(|(name, _)| self.names.contains(*name));
        let context: BTreeMap<String, Value> =
            used.map(|(name, value)| (name.clone(), Value::from(value.clone()))).ordered();
        ENGINE
            .template_from_str(&self.source)
            .and_then(|template| template.render(Value::from(context)))
            .map_err(|error| format!("cannot be filled in: {}", told(&error)))
    }
}

/// Names as code, in a row.
pub fn list<T: AsRef<str>>(names: impl Iterator<Item = T>) -> String {
    names.map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The known name that was probably meant.
pub fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    let given = given.to_lowercase();
    known
        .map(|name| (strsim::damerau_levenshtein(&given, name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min()
        .map(|(_, name)| format!("did you mean `{name}`? "))
        .unwrap_or_default()
}

fn told(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn names_are_filled_in_and_nothing_else_is_touched() {
        let template = Template::parse("{{ stage }}-{{tenant}} <b> {% if stage == 'prd' %}!{% endif %}\n").unwrap();
        assert_eq!(template.names().collect::<Vec<_>>(), ["stage", "tenant"]);
        let text = template.render(&values(&[("stage", "prd"), ("tenant", "a&<{{ x }}")])).unwrap();
        assert_eq!(text, "prd-a&<{{ x }} <b> !\n");
        assert_eq!(Template::parse("plain").unwrap().text(), Some("plain"));
        let table = Template::parse("{{ {'prd': 'production', 'stg': 'staging'}[stage] }}").unwrap();
        assert_eq!(table.render(&values(&[("stage", "stg")])).unwrap(), "staging");
        assert!(table.render(&values(&[("stage", "dev")])).is_err());
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let template = Template::parse("{{ stag }}").unwrap();
        let error = template.render(&values(&[("stage", "x"), ("tenant", "y")])).expect_err("no stag");
        assert_eq!(error, "uses `stag`, which has no value here; known are `stage`, `tenant`");
    }

    #[test]
    fn every_malformed_template_is_refused() {
        for source in ["{{ a", "{{ }}", "{{ a b }}", "{% if a %}", "{% nope %}", "{{ a | }}", "{{ a..b }}"] {
            assert!(Template::parse(source).is_err(), "{source}");
        }
        for source in ["{{ a | upper }}", "{{ a() }}", "{{ a.b }}", "{{ a.b.c }}"] {
            let rendered = Template::parse(source).and_then(|template| template.render(&values(&[("a", "x")])));
            assert!(rendered.is_err(), "{source}: {rendered:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_as_a_template_is_no_panic(source in "[{}%# a-z|.'\\[\\]()\\n-]{0,24}") {
            if let Ok(template) = Template::parse(&source) {
                let _ = template.render(&values(&[("a", "x"), ("b", "")]));
            }
        }
    }
}
