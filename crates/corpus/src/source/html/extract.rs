//! From tags to text.

use std::cell::RefCell;
use std::collections::HashMap;

use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// Whose content is no text.
const HIDDEN: [&str; 10] = [
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "select",
    "textarea",
];
/// What stands beside the text of a page.
const BESIDE: [&str; 5] = ["nav", "header", "footer", "aside", "form"];
/// What the text of a page stands in.
const MAIN: [&str; 2] = ["article", "main"];
/// What stands on lines of its own, with an empty line around it.
const PARAGRAPHS: [&str; 20] = [
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "ul",
    "ol",
    "dl",
    "table",
    "figure",
    "article",
    "section",
    "main",
    "header",
    "footer",
    "hr",
];
/// What stands on a line of its own.
const LINES: [&str; 11] =
    ["div", "li", "tr", "br", "dt", "dd", "figcaption", "caption", "address", "body", "option"];

/// What was found in a page.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
    pub(super) title: String,
    /// The contents of meta elements by name or property, in small letters; the first of each.
    pub(super) meta: HashMap<String, String>,
    /// Addresses by their relation, such as "license".
    pub(super) links: HashMap<String, String>,
    /// Whether something that is no text was open at the end.
    pub(super) is_cut: bool,
}

/// Reads a page. `is_page`: whether to look for what stands beside its text.
pub(super) fn extract(html: &str, is_page: bool) -> Page {
    let input = BufferQueue::default();
    input.push_back(html.into());
    let sink = Reader(RefCell::new(State { is_page, ..State::default() }));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    // A script's end hands control back to whoever would run it.
    while !input.is_empty() {
        let _ = tokenizer.feed(&input);
    }
    tokenizer.end();
    tokenizer.sink.0.into_inner().finished()
}

struct Reader(RefCell<State>);

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => match tag.kind {
                TagKind::StartTag => return state.start(&tag),
                TagKind::EndTag => state.end(&tag.name),
            },
            Token::CharacterTokens(text) => state.text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[derive(Default)]
struct State {
    is_page: bool,
    page: Page,
    /// The element whose content is passed over, and how many of its name are open in it.
    hidden: Option<(String, usize)>,
    is_title: bool,
    /// Open elements in which spaces count.
    preformatted: usize,
    /// Open elements that hold the page's text, and where the outermost began.
    main: (usize, usize),
    /// The text of those.
    main_text: String,
    /// Newlines that are due before the next word.
    due: usize,
    is_after_space: bool,
}

impl State {
    fn start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        self.facts(tag);
        if !tag.self_closing {
            self.open(name);
        }
        self.breaks(name);
        match name {
            _ if tag.self_closing => TokenSinkResult::Continue,
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "iframe" => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }

    fn open(&mut self, name: &str) {
        if let Some((hidden, n)) = &mut self.hidden {
            *n += usize::from(hidden == name);
            return;
        }
        let is_beside = self.is_page && self.main.0 == 0 && BESIDE.contains(&name);
        if HIDDEN.contains(&name) || is_beside {
            self.hidden = Some((name.to_owned(), 1));
            return;
        }
        match name {
            "title" => self.is_title = self.page.title.is_empty(),
            "pre" => self.preformatted += 1,
            _ if self.is_page && MAIN.contains(&name) => {
                if self.main.0 == 0 {
                    self.main.1 = self.page.text.len();
                }
                self.main.0 += 1;
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if let Some((hidden, n)) = &mut self.hidden {
            *n -= usize::from(hidden == name);
            if *n == 0 {
                self.hidden = None;
            }
            return;
        }
        match name {
            "title" => self.is_title = false,
            "pre" => self.preformatted = self.preformatted.saturating_sub(1),
            _ if MAIN.contains(&name) && self.main.0 > 0 => {
                self.main.0 -= 1;
                if self.main.0 == 0 {
                    self.close_main();
                }
            }
            _ => {}
        }
        self.breaks(name);
    }

    fn close_main(&mut self) {
        self.main_text.push_str(&self.page.text[self.main.1..]);
        self.main_text.push_str("\n\n");
    }

    /// Notes the end of a line or a paragraph.
    fn breaks(&mut self, name: &str) {
        if self.hidden.is_some() {
            return;
        }
        if PARAGRAPHS.contains(&name) {
            self.due = 2;
        } else if LINES.contains(&name) {
            self.due = self.due.max(1);
        } else if matches!(name, "td" | "th") {
            self.is_after_space = false;
            self.text(" ");
        }
    }

    fn text(&mut self, text: &str) {
        if self.is_title {
            self.page.title.push_str(text);
            return;
        }
        if self.hidden.is_some() {
            return;
        }
        for c in text.chars() {
            if self.preformatted > 0 || !c.is_whitespace() {
                self.write_due();
                self.page.text.push(c);
                self.is_after_space = c.is_whitespace();
            } else if self.due == 0 && !self.is_after_space && !self.page.text.is_empty() {
                self.page.text.push(' ');
                self.is_after_space = true;
            }
        }
    }

    fn write_due(&mut self) {
        let due = std::mem::take(&mut self.due);
        if due > 0 && !self.page.text.is_empty() {
            self.page.text.push_str(&"\n\n"[..due]);
        }
    }

    /// Keeps what a meta element or a link says.
    fn facts(&mut self, tag: &Tag) {
        let attribute = |name: &str| {
            let mut attributes = tag.attrs.iter();
            attributes.find(|one| *one.name.local == *name).map(|one| one.value.to_string())
        };
        match &*tag.name {
            "meta" => {
                let name = attribute("name").or_else(|| attribute("property"));
                if let (Some(name), Some(content)) = (name, attribute("content")) {
                    let content = content.trim().to_owned();
                    self.page.meta.entry(name.trim().to_lowercase()).or_insert(content);
                }
            }
            "link" | "a" => {
                if let (Some(relations), Some(href)) = (attribute("rel"), attribute("href")) {
                    for relation in relations.to_lowercase().split_ascii_whitespace() {
                        self.page.links.entry(relation.to_owned()).or_insert_with(|| href.clone());
                    }
                }
            }
            _ => {}
        }
    }

    fn finished(mut self) -> Page {
        if self.main.0 > 0 {
            self.close_main();
        }
        let is_main = !self.main_text.trim().is_empty();
        let text = if is_main { &self.main_text } else { &self.page.text };
        self.page.text = tidy(text);
        self.page.title = self.page.title.split_whitespace().collect::<Vec<_>>().join(" ");
        self.page.is_cut = self.hidden.is_some_and(|(name, _)| BESIDE.contains(&name.as_str()));
        self.page
    }
}

/// Without spaces at the ends of lines and more than one empty line in a row.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut n_empty = 0;
    for line in text.lines().map(str::trim_end) {
        n_empty = if line.is_empty() { n_empty + 1 } else { 0 };
        if n_empty < 2 && !(line.is_empty() && out.is_empty()) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_as_a_reader_sees_it() {
        let text = |html| extract(html, true).text;
        assert_eq!(
            text("<h1>A</h1><p>one\n two&amp;<b>3</b><br>four</p>x"),
            "A\n\none two&3\nfour\n\nx"
        );
        assert_eq!(text("<pre>a\n  b</pre><ul><li>1<li>2</ul>"), "a\n  b\n\n1\n2");
        assert_eq!(text("<table><tr><td>a<td>b<tr><td>c</table>"), "a b\nc");
        assert_eq!(text("<style>p</style><script>if (a<b) '</p>'</script>ok"), "ok");
        assert_eq!(text("<nav>menu<nav>inner</nav>more</nav>text<footer>end</footer>"), "text");
        assert_eq!(text("menu<main><header><h1>T</h1></header>text</main>more"), "T\n\ntext");
        assert_eq!(extract("<nav>menu</nav>text", false).text, "menutext");
    }

    #[test]
    fn a_page_that_is_broken_off_ends_where_it_ends() {
        assert!(extract("<nav>menu text", true).is_cut);
        for html in
            ["<", "<p", "<script>", "<!--", "<title>t", "&#x", "</nav></main></p>", "<a rel="]
        {
            let _ = extract(html, true);
        }
    }
}
