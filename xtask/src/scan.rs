//! Reads Rust source just well enough to find names in code that is not for tests.

/// What a crate that is a pure function does not name, and how it looks without spaces.
const IMPURE: [(&str, &str); 14] = [
    ("files", "std::fs"),
    ("files", "File::open"),
    ("files", "File::create"),
    ("the environment", "std::env"),
    ("other programs", "std::process"),
    ("the network", "std::net"),
    ("a clock", "Instant"),
    ("a clock", "SystemTime"),
    ("standard input", "stdin()"),
    ("standard output", "println!"),
    ("standard output", "print!"),
    ("standard output", "stdout()"),
    ("standard error", "eprintln!"),
    ("standard error", "stderr()"),
];

/// The source without comments, without what is in quotation marks, and without test modules.
pub(crate) fn code_of(source: &str) -> String {
    without_tests(&without_words(source))
}

/// The names of modules that only tests include: `#[cfg(test)] mod NAME;`.
pub(crate) fn test_modules(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in code.split("#[cfg(test)]").skip(1) {
        let after = part.trim_start();
        let after = after.strip_prefix("pub(crate) ").unwrap_or(after);
        if let Some(name) = after.strip_prefix("mod ").and_then(|rest| rest.split_once(';')) {
            names.push(name.0.trim().to_owned());
        }
    }
    names
}

/// What the code names that a pure function does not.
pub(crate) fn impurities(code: &str) -> Vec<String> {
    let dense = dense(code);
    let mut found: Vec<String> = IMPURE
        .iter()
        .filter(|(_, name)| has_name(&dense, name))
        .map(|(what, name)| format!("{what} ({name})"))
        .collect();
    // `use std::{fs, io}` names them without `std::` before.
    for group in dense.split("use std::{").skip(1) {
        let group = group.split(';').next().unwrap_or_default();
        for name in ["fs", "env", "process", "net"] {
            if group.split(['{', '}', ',', ':']).any(|word| word == name) {
                found.push(format!("std::{name}"));
            }
        }
    }
    found
}

/// The code without spaces but where they part two names.
fn dense(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    for word in code.split_whitespace() {
        if out.ends_with(is_part) && word.starts_with(is_part) {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Whether a name may have this character.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the name stands there as a whole word.
fn has_name(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        let goes_on = name.ends_with(is_part) && after.is_some_and(is_part);
        !goes_on && !before.is_some_and(is_part)
    })
}

/// Replaces comments, texts and characters by nothing.
fn without_words(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let skipped = if rest.starts_with(b"//") {
            rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            block_comment(rest)
        } else if byte == b'"' {
            text(rest)
        } else if byte == b'r' && !ends_in_name(&code) {
            raw_text(rest)
        } else if byte == b'\'' {
            character(rest)
        } else {
            0
        };
        if skipped == 0 {
            code.push(byte);
            at += 1;
        } else {
            code.push(b' ');
            at += skipped;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

fn ends_in_name(code: &[u8]) -> bool {
    code.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn text(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of `r"…"` or `r#"…"#`, or 0 if this is none.
fn raw_text(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let mut end = vec![b'"'];
    end.extend(std::iter::repeat_n(b'#', hashes));
    let body = &rest[2 + hashes..];
    let found = body.windows(end.len()).position(|window| window == end);
    found.map_or(rest.len(), |at| 2 + hashes + at + end.len())
}

/// The length of `'c'`, or 0 if this is a lifetime.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        let end = rest.iter().skip(3).position(|byte| *byte == b'\'');
        return end.map_or(0, |at| at + 4);
    }
    // A character may take up to four bytes.
    (2..=5).find(|at| rest.get(*at) == Some(&b'\'') && is_one(&rest[1..*at])).map_or(0, |at| at + 1)
}

fn is_one(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1)
}

/// Cuts out what follows `#[cfg(test)]` up to its closing brace, but not `mod NAME;`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let after = &rest[at + MARK.len()..];
        let open = after.find('{').unwrap_or(after.len());
        if after.find(';').is_some_and(|end| end < open) {
            out.push_str(&rest[..at + MARK.len()]);
            rest = after;
            continue;
        }
        out.push_str(&rest[..at]);
        let mut depth = 0usize;
        let end = after.char_indices().find(|(_, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            *c == '}' && depth == 0
        });
        rest = end.map_or("", |(at, _)| &after[at + 1..]);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[&str]) {
        assert_eq!(impurities(&code_of(source)), expected, "{source}");
    }

    #[test]
    fn impure_code_is_found() {
        check("use std::fs;", &["files (std::fs)"]);
        check("let t = std :: time::Instant::now();", &["a clock (Instant)"]);
        check("fn f() { println!(\"x\") }", &["standard output (println!)"]);
        check("use std::{\n io,\n fs::File,\n};", &["std::fs"]);
        check("use std::{collections::{BTreeMap}, env};", &["std::env"]);
    }

    #[test]
    fn words_and_tests_are_not_code() {
        check("// std::fs\n/* std::env /* x */ std::fs */ /// Instant\nfn f() {}", &[]);
        check("const A: &str = \"std::fs \\\" Instant\"; const B: char = '\"'; // \"", &[]);
        check("const A: &str = r#\"std::fs\" Instant\"#; fn g<'a>(x: &'a str) {}", &[]);
        check("#[cfg(test)]\nmod tests { use std::fs; fn f() { if a {} } }\nfn g() {}", &[]);
        check("#[cfg(test)] fn f() { std::env::var(\"x\"); } use std::fs;", &["files (std::fs)"]);
        check("fn f() { '\\''; \"\\\\\"; } use std::fs;", &["files (std::fs)"]);
        check("struct InstantNoodles; fn eprint_x() {} my_println!();", &[]);
    }

    #[test]
    fn modules_for_tests_are_known() {
        let code = code_of("#[cfg(test)]\nmod fixture;\nmod other;\n#[cfg(test)] mod tests { }");
        assert_eq!(test_modules(&code), ["fixture"]);
    }
}
