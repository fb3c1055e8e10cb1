//! Whether an answer is Markdown that a reader would call valid.
//!
//! CommonMark has no invalid documents: what is misspelt becomes text. So an answer passes if it
//! has structure at all (or the structure asked for), and if nothing in it was meant as markup and
//! became text.

use std::sync::Arc;

use pulldown_cmark::{CodeBlockKind, Event, Options as Extensions, Parser, Tag, TagEnd};

use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools};
use crate::experiment::suggest;
use crate::outcome::Scale;

/// Passes if the answer is valid Markdown with the structure asked for.
pub(super) const KIND: Kind = Kind {
    name: "markdown",
    main_key: Some("require"),
    about: "valid Markdown, with the elements in `require`: heading, list, code, …",
    make,
};

/// The elements that can be asked for.
const ELEMENTS: [&str; 11] = [
    "heading",
    "list",
    "numbered_list",
    "code",
    "quote",
    "table",
    "link",
    "emphasis",
    "strong",
    "rule",
    "html",
];

struct Markdown {
    require: Vec<usize>,
    forbid: Vec<usize>,
}

fn make(options: &mut Options) -> Result<Arc<dyn Check>, OptionFault> {
    let (require, forbid) = (elements(options, "require")?, elements(options, "forbid")?);
    if let Some(&both) = forbid.iter().find(|element| require.contains(element)) {
        let message = format!("{} is required and forbidden: it can never pass", ELEMENTS[both]);
        return Err(OptionFault::new(Some("forbid"), message));
    }
    Ok(Arc::new(Markdown { require, forbid }))
}

fn elements(options: &mut Options, key: &'static str) -> Result<Vec<usize>, OptionFault> {
    let names = options.texts(key)?.unwrap_or_default();
    let place = |name: &String| {
        ELEMENTS.iter().position(|element| element == name).ok_or_else(|| {
            let fault = OptionFault::new(Some(key), format!("no element is called {name:?}"));
            fault.hint(match suggest(name, &ELEMENTS) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", ELEMENTS.join(", ")),
            })
        })
    };
    names.iter().map(place).collect()
}

impl Check for Markdown {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        Ok(Outcome::of(self.fault(&answered.answer.text)))
    }
}

impl Markdown {
    fn fault(&self, text: &str) -> Option<String> {
        let seen = look(text);
        if let Some(fault) = seen.fault {
            return Some(fault);
        }
        if let Some(&missing) = self.require.iter().find(|&&element| !seen.elements[element]) {
            return Some(format!("no {}", ELEMENTS[missing].replace('_', " ")));
        }
        if let Some(&found) = self.forbid.iter().find(|&&element| seen.elements[element]) {
            return Some(format!("there is {} in it", ELEMENTS[found].replace('_', " ")));
        }
        let is_plain = self.require.is_empty() && !seen.elements.contains(&true);
        is_plain.then(|| "plain text: no Markdown structure at all".to_owned())
    }
}

/// What was found in a text.
struct Seen {
    elements: [bool; ELEMENTS.len()],
    fault: Option<String>,
}

fn look(text: &str) -> Seen {
    let mut seen = Seen { elements: [false; ELEMENTS.len()], fault: None };
    let mut see = |name: &str| {
        if let Some(place) = ELEMENTS.iter().position(|element| *element == name) {
            seen.elements[place] = true;
        }
    };
    let (mut in_code, mut line) = (false, String::new());
    let mut fault: Option<String> = None;
    let mut keep = |found: Option<String>| fault = fault.take().or(found);
    let extensions = Extensions::ENABLE_TABLES | Extensions::ENABLE_STRIKETHROUGH;
    for (event, range) in Parser::new_ext(text, extensions).into_offset_iter() {
        match event {
            Event::Start(tag) => match &tag {
                Tag::Heading { .. } => see("heading"),
                Tag::List(None) => see("list"),
                Tag::List(Some(_)) => {
                    see("list");
                    see("numbered_list");
                }
                Tag::CodeBlock(kind) => {
                    see("code");
                    in_code = true;
                    if matches!(kind, CodeBlockKind::Fenced(_)) {
                        keep(unclosed_fence(&text[range]));
                    }
                }
                Tag::BlockQuote(_) => see("quote"),
                Tag::Table(_) => see("table"),
                Tag::Link { .. } => see("link"),
                Tag::Emphasis => see("emphasis"),
                Tag::Strong => see("strong"),
                _ => {}
            },
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::End(
                TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item | TagEnd::TableCell,
            )
            | Event::SoftBreak
            | Event::HardBreak => keep(left_over(&std::mem::take(&mut line))),
            Event::Text(words) if !in_code => line.push_str(&words),
            Event::Code(_) => {
                see("code");
                line.push(' ');
            }
            Event::Rule => see("rule"),
            Event::Html(_) | Event::InlineHtml(_) => see("html"),
            _ => {}
        }
    }
    keep(left_over(&line));
    seen.fault = fault;
    seen
}

/// A fence that the end of the text closes: its author forgot to.
fn unclosed_fence(block: &str) -> Option<String> {
    let first = block.lines().next().unwrap_or_default().trim_start();
    let mark = first.chars().next().unwrap_or('`');
    let width = first.chars().take_while(|&c| c == mark).count();
    let last = block.lines().skip(1).last().unwrap_or_default().trim();
    // In a quote or a list the line has its container's marks before it.
    let last = last.trim_start_matches(['>', ' ']);
    let closes = last.chars().all(|c| c == mark) && last.chars().count() >= width;
    (!closes).then(|| "a code block is never closed".to_owned())
}

/// Markup that became text.
fn left_over(line: &str) -> Option<String> {
    let line = line.trim();
    let shown = || line.chars().take(40).collect::<String>();
    let hashes = line.chars().take_while(|&c| c == '#').count();
    let after = line[hashes..].chars().next();
    if (1..=6).contains(&hashes) && after.is_some_and(char::is_alphabetic) && hashes > 1 {
        return Some(format!("a heading without a space after its marks: {:?}", shown()));
    }
    if line.matches("**").count() % 2 == 1 || line.contains("** ") && line.contains(" **") {
        return Some(format!("** that makes nothing strong: {:?}", shown()));
    }
    if line.contains("```") {
        return Some(format!("``` that makes no code block: {:?}", shown()));
    }
    if line.contains("](") {
        return Some(format!("a link that is none: {:?}", shown()));
    }
    if line.starts_with('|') && line.len() > 1 && line.ends_with('|') {
        return Some(format!("a row of no table: {:?}", shown()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str, require: &[&str]) -> Option<String> {
        let place = |name: &&str| ELEMENTS.iter().position(|element| element == name).unwrap();
        Markdown { require: require.iter().map(place).collect(), forbid: Vec::new() }.fault(text)
    }

    #[test]
    fn markdown_is_told_from_text_that_wants_to_be() {
        for valid in [
            "# Title\n\nWords.",
            "- one\n- two",
            "Some *emphasis*.",
            "| a | b |\n|---|---|\n| 1 | 2 |",
            "```python\nprint('**')\n```",
            "Use `**kwargs` and **bold**.",
            "- item\n  ```\n  code\n  ```\n",
        ] {
            assert_eq!(fault(valid, &[]), None, "{valid}");
        }
        for (invalid, reason) in [
            ("Just words.", "plain text"),
            ("", "plain text"),
            ("##Title\n\n- a", "heading without a space"),
            ("- a\n\n```\ncode", "never closed"),
            ("- **a\n- b", "nothing strong"),
            ("- see [this](http://x y)", "link that is none"),
            ("- a\n\n| a | b |\n| 1 | 2 |", "no table"),
        ] {
            let found = fault(invalid, &[]).unwrap_or_default();
            assert!(found.contains(reason), "{invalid:?}: {found:?}");
        }
    }

    #[test]
    fn structure_that_was_asked_for_must_be_there() {
        assert_eq!(fault("# T\n\n1. a", &["heading", "numbered_list"]), None);
        assert_eq!(fault("# T\n\n- a", &["heading", "numbered_list"]).unwrap(), "no numbered list");
    }

    #[test]
    fn structure_may_be_forbidden() {
        use super::super::testing::{fault, passes};
        use serde_json::json;
        let keys = json!({"require": "heading", "forbid": ["html", "table"]});
        assert!(passes("markdown", keys.clone(), "# T\n\nWords."));
        assert!(!passes("markdown", keys.clone(), "# T\n\n<b>Words</b>"));
        assert!(!passes("markdown", keys, "# T\n\n| a |\n|---|\n| b |"));
        let never = fault("markdown", json!({"require": "list", "forbid": "list"}));
        assert!(never.message.contains("never"));
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in ["`", "```", ">```\n>a", "|", "#", "é**", "[](", "\0", "| |", "* \n*\t**"] {
            let _ = fault(text, &[]);
        }
    }
}
