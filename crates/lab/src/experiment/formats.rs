//! Other formats of a prompt, to see how much of a difference is owed to the format alone.
//!
//! Source: Sclar et al. 2023, "Quantifying language models' sensitivity to spurious features in
//! prompt design" (FormatSpread, arXiv 2310.11324). Of its kinds of change these leave every word as
//! it is: the separator before a variable, the space between lines, and what encloses a variable.
//! Casing is left alone, since it is often what is under test.

use super::Template;
use super::template::Part;
use crate::statistics::random::Generator;

/// What stands between an instruction and what it is about.
const SEPARATORS: [&str; 7] = [": ", ":\n", ":\n\n", " - ", "\n", "\n\n", " :: "];
/// What stands between lines.
const LINES: [&str; 3] = ["\n", "\n\n", " \n"];
/// What encloses a variable.
const QUOTES: [[&str; 2]; 5] =
    [["", ""], ["\"", "\""], ["<text>\n", "\n</text>"], ["```\n", "\n```"], ["[", "]"]];

/// Up to `count` formats of `prompt` that differ from it and from each other, drawn at random.
pub(super) fn formats(prompt: &Template, count: usize, seed: u64) -> Vec<Template> {
    let mut choices = Vec::new();
    for separator in SEPARATORS {
        for line in LINES {
            choices.extend(QUOTES.map(|quotes| (separator, line, quotes)));
        }
    }
    // Every arm draws the same formats, so that wordings can be compared across arms.
    Generator::new(seed).shuffle(&mut choices);
    let mut formats: Vec<Template> = Vec::new();
    for (separator, line, quotes) in choices {
        if formats.len() == count {
            break;
        }
        let format = reformat(prompt, separator, line, quotes);
        if format.source() != prompt.source() && !formats.contains(&format) {
            formats.push(format);
        }
    }
    formats
}

fn reformat(prompt: &Template, separator: &str, line: &str, [open, close]: [&str; 2]) -> Template {
    let parts = prompt.parts();
    let mut changed = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let Part::Text(text) = part else {
            let is_first = place == 0;
            let quotes = [Part::Text(open.to_owned()), Part::Text(close.to_owned())];
            let [before, after] = quotes;
            if is_first {
                changed.push(before);
            }
            changed.push(part.clone());
            changed.push(after);
            continue;
        };
        let mut text = text.replace('\n', line);
        if place + 1 < parts.len() {
            let words = text.trim_end().trim_end_matches([':', '-']).trim_end();
            text = format!("{words}{separator}{open}");
        }
        changed.push(Part::Text(text));
    }
    Template::of_parts(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_change_no_word() {
        let prompt = Template::new("Sum up\nas a list: {{text}}\nBe brief.").unwrap();
        let formats = formats(&prompt, 20, 7);
        assert_eq!(formats.len(), 20);
        let words = |text: &str| -> String {
            text.replace("<text>", "")
                .replace("</text>", "")
                .chars()
                .filter(|c| c.is_alphanumeric())
                .collect()
        };
        for format in &formats {
            assert_eq!(words(format.source()), words(prompt.source()), "{}", format.source());
            assert_ne!(format.source(), prompt.source());
        }
        assert_eq!(formats[..5], super::formats(&prompt, 5, 7)[..]);
    }

    #[test]
    fn a_prompt_without_variables_has_few_formats() {
        assert!(formats(&Template::new("One line.").unwrap(), 9, 1).is_empty());
        assert_eq!(formats(&Template::new("Two\nlines.").unwrap(), 9, 1).len(), 2);
    }
}
