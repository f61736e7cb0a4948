//! The part of GitHub's expression language that workflows use in titles, environments, conditions and
//! concurrency groups. <https://docs.github.com/en/actions/reference/workflows-and-actions/expressions>

use serde_json::{Value, json};

/// Fills every `${{ … }}` of a text. What cannot be read becomes empty, as an unknown context does.
pub fn fill(text: &str, context: &Value) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${{") {
        let Some(length) = rest[start..].find("}}") else {
            break;
        };
        out.push_str(&rest[..start]);
        out.push_str(&show(&evaluate(&rest[start + 3..start + length], context)));
        rest = &rest[start + length + 2..];
    }
    out.push_str(rest);
    out
}

/// Whether an `if:` holds; `${{ }}` around it is optional.
pub fn holds(condition: &str, context: &Value) -> bool {
    let bare = condition.trim();
    let inner = bare.strip_prefix("${{").and_then(|t| t.strip_suffix("}}"));
    truthy(&evaluate(inner.unwrap_or(bare), context))
}

/// The value of one expression.
pub fn evaluate(expression: &str, context: &Value) -> Value {
    let tokens = tokens(expression);
    Reader { tokens: &tokens, at: 0, context }.either()
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// A value as it appears inside a text.
pub fn show(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Mark(&'static str),
    Word(String),
    Text(String),
}

const MARKS: [&str; 13] = ["||", "&&", "==", "!=", "<=", ">=", "!", "<", ">", "(", ")", ",", "*"];

fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if let Some(mark) = MARKS.iter().find(|m| rest.starts_with(**m)) {
            out.push(Token::Mark(mark));
            mark.len()
        } else if first == '\'' {
            let (literal, length) = literal(rest);
            out.push(Token::Text(literal));
            length
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "|&=!<>(),'".contains(c));
            let end = end.filter(|e| *e > 0).unwrap_or(rest.len()).max(first.len_utf8());
            out.push(Token::Word(rest[..end].to_owned()));
            end
        };
        rest = rest[taken..].trim_start();
    }
    out
}

/// A `'text'` in which a quote is doubled; returns what it says and how long it was.
fn literal(rest: &str) -> (String, usize) {
    let mut said = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            said.push(c);
        } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
            said.push('\'');
        } else {
            return (said, at + 1);
        }
    }
    (said, rest.len())
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    context: &'a Value,
}

impl Reader<'_> {
    fn takes(&mut self, mark: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Mark(m)) if *m == mark);
        self.at += usize::from(found);
        found
    }

    fn either(&mut self) -> Value {
        let mut left = self.both();
        while self.takes("||") {
            let right = self.both();
            left = if truthy(&left) { left } else { right };
        }
        left
    }

    fn both(&mut self) -> Value {
        let mut left = self.comparison();
        while self.takes("&&") {
            let right = self.comparison();
            left = if truthy(&left) { right } else { left };
        }
        left
    }

    fn comparison(&mut self) -> Value {
        let left = self.value();
        if self.takes("==") {
            return json!(alike(&left, &self.value()));
        }
        if self.takes("!=") {
            return json!(!alike(&left, &self.value()));
        }
        left
    }

    fn value(&mut self) -> Value {
        if self.takes("!") {
            return json!(!truthy(&self.value()));
        }
        if self.takes("(") {
            let inner = self.either();
            self.takes(")");
            return inner;
        }
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Text(text)) => json!(text),
            Some(Token::Word(word)) if self.takes("(") => {
                let arguments = self.arguments();
                call(&word, &arguments, self.context)
            }
            Some(Token::Word(word)) => name(&word, self.context),
            _ => Value::Null,
        }
    }

    fn arguments(&mut self) -> Vec<Value> {
        let mut arguments = Vec::new();
        while self.at < self.tokens.len() && !self.takes(")") {
            arguments.push(self.either());
            self.takes(",");
        }
        arguments
    }
}

/// Texts are compared without regard to case.
fn alike(left: &Value, right: &Value) -> bool {
    show(left).eq_ignore_ascii_case(&show(right))
}

fn name(word: &str, context: &Value) -> Value {
    if let Ok(value) = serde_json::from_str::<Value>(word) {
        return value;
    }
    let pointer = format!("/{}", word.replace('.', "/"));
    context.pointer(&pointer).cloned().unwrap_or(Value::Null)
}

fn call(function: &str, arguments: &[Value], context: &Value) -> Value {
    let text = |n: usize| arguments.get(n).map(show).unwrap_or_default();
    let low = |n: usize| text(n).to_lowercase();
    match function.to_lowercase().as_str() {
        "contains" => json!(low(0).contains(&low(1))),
        "startswith" => json!(low(0).starts_with(&low(1))),
        "endswith" => json!(low(0).ends_with(&low(1))),
        "format" => {
            let fill = |said: String, n: usize| said.replace(&format!("{{{}}}", n - 1), &text(n));
            json!((1..arguments.len()).fold(text(0), fill))
        }
        "fromjson" => serde_json::from_str(&text(0)).unwrap_or(Value::Null),
        "tojson" => json!(arguments.first().map(Value::to_string)),
        "always" => json!(true),
        status => context.pointer(&format!("/status/{status}")).cloned().unwrap_or(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_filled_from_inputs_and_context() {
        let context = json!({"inputs": {"component": "vpc", "go": true}, "github": {"actor": "octocat"}});
        let said = |text| fill(text, &context);
        assert_eq!(said("Apply ${{ inputs.component }} by @${{github.actor}}"), "Apply vpc by @octocat");
        assert_eq!(said("${{ inputs.nothing || 'it''s new' }}"), "it's new");
        assert_eq!(said("${{ format('{0}/{1}', inputs.component, 'x') }}"), "vpc/x");
        assert_eq!(said("${{ inputs.go && 'yes' || 'no' }} ${{ unclosed"), "yes ${{ unclosed");
    }

    #[test]
    fn conditions_compare_negate_and_ask_for_status() {
        let context = json!({"inputs": {"env": "prod"}, "status": {"success": true, "failure": false}});
        assert!(holds("${{ inputs.env == 'PROD' && !failure() }}", &context));
        assert!(holds("contains(inputs.env, 'ro') || false", &context));
        assert!(!holds("(inputs.env != 'prod') || failure()", &context));
    }
}
