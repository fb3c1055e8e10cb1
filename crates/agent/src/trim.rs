//! Shortens what programs say to what a model, or a person, can use.

/// How many bytes of a program's output a model is shown.
pub const SHOWN_BYTES: usize = 2000;

/// The text in at most about `most` bytes: whole lines of its beginning and, twice as much, of its
/// end, where tracebacks say what went wrong; between them stands how many lines are left out.
pub fn trimmed(text: &str, most: usize) -> String {
    let text = text.trim_end();
    if text.len() <= most {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    let fits = |lines: &mut dyn Iterator<Item = &&str>, room: usize| {
        let mut used = 0;
        lines
            .take_while(|line| {
                used += line.len() + 1;
                used <= room
            })
            .count()
    };
    let n_first = fits(&mut lines.iter(), most / 3);
    let n_last = fits(&mut lines[n_first..].iter().rev(), most - most / 3);
    if n_first + n_last == 0 {
        // One endless line.
        return format!("{} … ({} bytes in all)", beginning(text, most), text.len());
    }
    let n_left = lines.len() - n_first - n_last;
    let mut kept: Vec<String> = lines[..n_first].iter().map(|&line| line.to_owned()).collect();
    kept.push(format!("… {n_left} lines are left out …"));
    kept.extend(lines[lines.len() - n_last..].iter().map(|&line| line.to_owned()));
    kept.join("\n")
}

/// At most so many bytes of the beginning, cut between characters.
pub fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_are_kept() {
        assert_eq!(trimmed("a\nb\n", 10), "a\nb");
        let text: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let short = trimmed(&text, 200);
        assert!(short.len() < 240, "{short}");
        assert!(short.starts_with("line 0\n") && short.ends_with("line 999"), "{short}");
        assert!(short.contains("lines are left out"), "{short}");
    }

    #[test]
    fn one_endless_line_is_cut_between_characters() {
        let short = trimmed(&"ä".repeat(1000), 101);
        assert!(short.starts_with(&"ä".repeat(50)), "{short}");
        assert!(short.ends_with("(2000 bytes in all)"), "{short}");
    }
}
