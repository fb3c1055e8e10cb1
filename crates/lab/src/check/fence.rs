//! Code blocks in answers.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// A fenced code block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The first word after the fence, in small letters; empty if there is none.
    pub language: String,
    /// What stands in it.
    pub code: String,
}

/// The fenced code blocks of a text, in order; one that the end of the text closes counts.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open) = (Vec::new(), None);
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let word = info.split([' ', '\t', ',', '{']).next().unwrap_or_default();
                open = Some(Block { language: word.to_lowercase(), code: String::new() });
            }
            Event::Text(line) => {
                if let Some(block) = &mut open {
                    block.code.push_str(&line);
                }
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
            _ => {}
        }
    }
    blocks
}

/// What stands in the only code block of a text that has nothing outside it.
pub(super) fn only(text: &str) -> Option<String> {
    let text = text.trim();
    let is_fenced = text.starts_with("```") && text.ends_with("```");
    match &blocks(text)[..] {
        [one] if is_fenced => Some(one.code.clone()),
        _ => None,
    }
}

/// The text without its code blocks.
pub(super) fn without(text: &str) -> String {
    let mut prose = String::new();
    let mut end = 0;
    for (event, range) in Parser::new(text).into_offset_iter() {
        if matches!(event, Event::Start(Tag::CodeBlock(_))) {
            prose.push_str(&text[end..range.start.max(end)]);
            end = range.end.max(end);
        }
    }
    prose.push_str(&text[end..]);
    prose
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_their_language() {
        let text =
            "a\n```Python title=x\nprint(1)\n```\nb\n~~~\nx\n~~~\n    indented\n- i\n  ```rs\n  y";
        let found = blocks(text);
        let block = |language: &str, code: &str| Block {
            language: language.to_owned(),
            code: code.to_owned(),
        };
        assert_eq!(found, [block("python", "print(1)\n"), block("", "x\n"), block("rs", "y")]);
        assert_eq!(without("a\n```\nx\n```\nb"), "a\n\nb");
        assert_eq!(only("```\nx\n```"), Some("x\n".to_owned()));
        assert_eq!(only("a\n```\nx\n```"), None);
    }
}
