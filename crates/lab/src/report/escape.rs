//! Text of others, made safe to show.

use std::fmt::Write as _;

/// Escapes text for HTML, between tags and in quoted attributes.
///
/// What a reader could not see, or what would turn the page around, is shown for what it is:
/// control characters as their pictures, marks of writing direction and other invisible marks by
/// their numbers.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            '\r' => {}
            '\0'..='\x1f' => safe.extend(char::from_u32(0x2400 + c as u32)),
            '\x7f' => safe.push('\u{2421}'),
            '\u{80}'..='\u{9f}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                let _ = write!(safe, "⟨U+{:04X}⟩", c as u32);
            }
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup_or_hides() {
        assert_eq!(
            escape("<script>alert('x')</script> &amp; \"\0\u{1b}\u{202e}\u{85}é\r\n"),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp;amp; &quot;␀␛⟨U+202E⟩⟨U+0085⟩é\n"
        );
    }
}
