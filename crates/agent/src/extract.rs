//! Finds the program in what a model wrote.

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    /// The first word after the fence, in small letters.
    language: String,
    code: String,
}

/// The program in an answer's fenced blocks: those marked as Python, joined in their order; without
/// any, those without a mark. None if there is none.
///
/// Blocks of an interactive session (`>>>`) show what a program does and are none.
pub fn fenced(answer: &str) -> Option<String> {
    let blocks = blocks(answer);
    let of = |names: &[&str]| {
        let is_program = |block: &&Block| {
            names.contains(&block.language.as_str())
                && !block.code.trim_start().starts_with(">>>")
                && !block.code.trim().is_empty()
        };
        let codes: Vec<&str> =
            blocks.iter().filter(is_program).map(|block| block.code.as_str()).collect();
        (!codes.is_empty()).then(|| codes.join("\n"))
    };
    of(&["python", "py", "python3"]).or_else(|| of(&[""]))
}

/// Whether there is a fence in an answer at all.
pub fn has_fence(answer: &str) -> bool {
    !blocks(answer).is_empty()
}

/// The fenced blocks of a text, in order; one that the end of the text closes counts. A fence may be
/// indented as far as its block is.
fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, Option<(Block, &str, usize)>) = (Vec::new(), None);
    for line in text.split_inclusive('\n') {
        let begun = line.trim_start();
        let indent = line.len() - begun.len();
        let (mark, rest) = fence(begun);
        match &mut open {
            None if !mark.is_empty() => {
                let word = rest.trim().split([' ', '\t', ',', '{']).next().unwrap_or_default();
                let block = Block { language: word.to_lowercase(), code: String::new() };
                open = Some((block, mark, indent));
            }
            None => {}
            Some((_, opened, _)) if mark.starts_with(*opened) && rest.trim().is_empty() => {
                blocks.extend(open.take().map(|(block, ..)| block));
            }
            Some((block, _, indent)) => {
                let n_blank = line.len() - line.trim_start_matches([' ', '\t']).len();
                block.code.push_str(&line[n_blank.min(*indent)..]);
            }
        }
    }
    blocks.extend(open.map(|(block, ..)| block));
    blocks
}

/// The fence that a line begins with, empty if it does not, and what follows.
fn fence(line: &str) -> (&str, &str) {
    let Some(first) = line.chars().next().filter(|c| matches!(c, '`' | '~')) else {
        return ("", line);
    };
    let n = line.len() - line.trim_start_matches(first).len();
    if n < 3 { ("", line) } else { line.split_at(n) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: Option<&str>) {
        assert_eq!(fenced(answer).as_deref(), expected, "{answer:?}");
    }

    #[test]
    fn the_program_is_what_is_marked_as_python() {
        check("Here:\n```python\nprint(1)\n```\nDone.", Some("print(1)\n"));
        check("```\nprint(1)\n```", Some("print(1)\n"));
        check("```sh\npip install x\n```\n```Py\na = 1\n```\n```\n1\n```", Some("a = 1\n"));
        check("```python\na = 1\n```\nthen\n```python\nprint(a)\n```", Some("a = 1\n\nprint(a)\n"));
        check("~~~python title=x\nx\n~~~", Some("x\n"));
        check("1. so\n   ```python\n   if x:\n       y\n   ```", Some("if x:\n    y\n"));
    }

    #[test]
    fn what_shows_and_what_is_cut_off() {
        check("```python\nprint(1)\n```\n```python\n>>> f(1)\n2\n```", Some("print(1)\n"));
        // The answer ended before the fence was closed.
        check("```python\nprint(1)", Some("print(1)"));
        check("````python\ns = '''\n```\n'''\n````", Some("s = '''\n```\n'''\n"));
        check("print(1)", None);
        check("```js\n1\n```", None);
        check("```python\n\n```", None);
        check("", None);
        assert!(has_fence("```js\n1\n```") && !has_fence("`` a"));
    }
}
