//! Texts with places for variables: `{{name}}`, and nothing else.
//!
//! Not Jinja, on purpose. A prompt is data whose every character is under test: `{%`, `{#` or a
//! single brace in it (LaTeX, code, JSON) must reach the model as it stands, a missing variable must
//! be found before a sample is drawn, with its place in the file, and what an input says must never
//! be read as a template. `\{{` writes two braces.

use std::ops::Range;

use serde::{Serialize, Serializer};

/// A text with places for variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A text as it is.
    Text(String),
    /// A variable, and where its name stands in the source.
    Variable(String, Range<usize>),
}

/// A template that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateFault {
    /// What is wrong.
    pub message: &'static str,
    /// Where in the source, in bytes.
    pub span: Range<usize>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// If braces are opened and not closed, or do not hold a name.
    pub fn new(source: &str) -> Result<Self, TemplateFault> {
        let mut parts = Vec::new();
        let (mut text, mut at) = (String::new(), 0);
        while let Some(open) = source[at..].find("{{").map(|place| at + place) {
            if source[at..open].ends_with('\\') {
                text.push_str(&source[at..open - 1]);
                text.push_str("{{");
                at = open + 2;
                continue;
            }
            text.push_str(&source[at..open]);
            let Some(close) = source[open..].find("}}").map(|place| open + place) else {
                let message = "{{ is never closed; \\{{ writes two braces";
                return Err(TemplateFault { message, span: open..open + 2 });
            };
            let inside = &source[open + 2..close];
            let name = inside.trim();
            if !is_name(name) {
                let message = "{{…}} must hold the name of a variable; \\{{ writes two braces";
                return Err(TemplateFault { message, span: open..close + 2 });
            }
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            let start = open + 2 + (inside.len() - inside.trim_start().len());
            parts.push(Part::Variable(name.to_owned(), start..start + name.len()));
            at = close + 2;
        }
        text.push_str(&source[at..]);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { source: source.to_owned(), parts })
    }

    /// The template as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its variables, with the place of each in the source; one that is used twice comes twice.
    pub fn variables(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name, span) => Some((name.as_str(), span.clone())),
            Part::Text(_) => None,
        })
    }

    /// Puts templates in the places of variables; what `template` does not know stays a variable.
    #[must_use]
    pub fn fill<'t>(&self, template: impl Fn(&str) -> Option<&'t Self>) -> Self {
        let mut filled = Vec::new();
        for part in &self.parts {
            let replaced = match part {
                Part::Variable(name, _) => template(name),
                Part::Text(_) => None,
            };
            match replaced {
                Some(template) => filled.extend(template.parts.iter().cloned()),
                None => filled.push(part.clone()),
            }
        }
        Self::of_parts(filled)
    }

    /// Its texts and variables, in order.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// A template of these texts and variables; texts side by side become one.
    pub(super) fn of_parts(parts: Vec<Part>) -> Self {
        let mut joined: Vec<Part> = Vec::new();
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(Part::Text(text)), Part::Text(more)) => text.push_str(&more),
                (_, Part::Text(text)) if text.is_empty() => {}
                (_, part) => joined.push(part),
            }
        }
        Self { source: joined.iter().map(Part::written).collect(), parts: joined }
    }

    /// Puts values in; what `value` does not know stays as it was written.
    pub fn render(&self, value: impl Fn(&str) -> Option<String>) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Variable(name, _) => value(name).unwrap_or_else(|| format!("{{{{{name}}}}}")),
        };
        self.parts.iter().map(part).collect()
    }
}

impl Part {
    /// The part as it is written in a template.
    fn written(&self) -> String {
        match self {
            Self::Text(text) => text.replace("{{", r"\{{"),
            Self::Variable(name, _) => format!("{{{{{name}}}}}"),
        }
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

/// Letters, digits, `_`, `-` and `.`, not beginning with a digit.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars().all(fits) && name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str) -> String {
        let template = Template::new(source).unwrap();
        template.render(|name| (name == "x").then(|| "{{y}} $1".to_owned()))
    }

    #[test]
    fn only_names_in_double_braces_are_variables() {
        assert_eq!(render("a {{x}}{{ x }}\n"), "a {{y}} $1{{y}} $1\n");
        assert_eq!(render("{% if %} {#} {x} $x }} {"), "{% if %} {#} {x} $x }} {");
        assert_eq!(render(r"\{{x}} \\frac{1}{2}"), r"{{x}} \\frac{1}{2}");
        assert_eq!(render("{{unknown}}"), "{{unknown}}");
    }

    #[test]
    fn templates_are_filled_with_templates() {
        let template = Template::new(r"{{a}}Say {{text}} \{{b}}.").unwrap();
        let please = Template::new("Please, {{who}}! ").unwrap();
        let filled = template.fill(|name| (name == "a").then_some(&please));
        assert_eq!(filled.source(), r"Please, {{who}}! Say {{text}} \{{b}}.");
        assert_eq!(
            Template::new(filled.source()).unwrap().render(|_| Some("x".into())),
            "Please, x! Say x {{b}}."
        );
    }

    #[test]
    fn variables_know_their_place() {
        let template = Template::new("é {{ text }} {{a}}").unwrap();
        let found: Vec<_> = template.variables().collect();
        assert_eq!(found, [("text", 6..10), ("a", 16..17)]);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (source, span) in [("ab {{x", 3..5), ("{{}}", 0..4), ("{{a b}}", 0..7), ("{{1}}", 0..5)]
        {
            assert_eq!(Template::new(source).unwrap_err().span, span, "{source}");
        }
    }
}
