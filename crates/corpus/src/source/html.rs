//! Pages: the article in them without menus and advertisements, and what they say about themselves.
//!
//! The article is found as a browser's reader view finds it. A page in which there is none gives all
//! of its text but menus, headers and footers.

use std::io::BufRead;
use std::path::Path;

use dom_query::Document;
use dom_smoothie::{Config, Readability, TextMode};

use super::{Record, Sink, whole};
use crate::{Error, licence};

/// A page with more elements is none that somebody wrote.
const MOST_ELEMENTS: usize = 200_000;
/// What is no text of a page.
const BESIDE: &str = "script, style, noscript, template, nav, header, footer, aside, form, svg";

pub(super) fn read(path: &Path, from: &mut dyn BufRead, sink: &mut Sink<'_>) -> Result<(), Error> {
    sink(page(&whole(path, from)?))
}

/// The text of a page and what it says about itself.
fn page(html: &str) -> Record {
    let document = Document::from(html);
    let meta = |name: &str| {
        let selector = format!("meta[name=\"{name}\" i], meta[property=\"{name}\" i]");
        let content = document.try_select(&selector)?.attr("content")?;
        Some(content.trim().to_owned()).filter(|content| !content.is_empty())
    };
    let link = |relation: &str| {
        let selector = format!("link[rel~=\"{relation}\"], a[rel~=\"{relation}\"]");
        Some(document.try_select(&selector)?.attr("href")?.to_string())
    };
    let record = Record {
        place: None,
        text: String::new(),
        title: Some(document.select("title").text().trim().to_owned()).filter(|t| !t.is_empty()),
        author: meta("author"),
        url: link("canonical").or_else(|| meta("og:url")),
        licence: link("license").and_then(|href| licence::stated(&href)),
        opt_out: opt_out(&meta),
    };
    let text = article(html).unwrap_or_else(|| body(&document));
    Record { text, ..record }
}

/// What in the page says that it is not to be used for training.
///
/// Sources: the TDM Reservation Protocol (W3C Community Group, final report of 2024), section 5.2;
/// the values `noai` and `noml` of the robots meta element, as DeviantArt introduced them in 2022.
fn opt_out(meta: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if meta("tdm-reservation").is_some_and(|value| value == "1") {
        return Some("the page's meta element tdm-reservation".to_owned());
    }
    let robots = meta("robots")?.to_ascii_lowercase();
    let word = robots.split([',', ' ']).find(|word| matches!(*word, "noai" | "noml"))?;
    Some(format!("the page's meta element robots: {word}"))
}

/// The article as a reader view finds it.
fn article(html: &str) -> Option<String> {
    let config = Config {
        max_elements_to_parse: MOST_ELEMENTS,
        text_mode: TextMode::Formatted,
        ..Config::default()
    };
    let article = Readability::new(html, None, Some(config)).ok()?.parse().ok()?;
    let text = tidy(&article.text_content);
    (!text.is_empty()).then_some(text)
}

/// All text of a page but what stands beside it.
fn body(document: &Document) -> String {
    document.select(BESIDE).remove();
    tidy(&document.select("body").formatted_text())
}

/// The text of a chapter of a book, in which everything is text.
pub(super) fn chapter(html: &str) -> String {
    let document = Document::from(html);
    document.select("script, style, head").remove();
    tidy(&document.formatted_text())
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

    const PAGE: &str = "<html lang=en><head><title>On birds</title>\
        <meta name=author content='A. Person'><link rel=canonical href='https://h/birds'>\
        <link rel=license href='https://creativecommons.org/licenses/by-sa/4.0/'></head><body>\
        <nav><a href=/>Home</a> <a href=/shop>Shop</a></nav><article><h1>On birds</h1>\
        <p>The myna is a bird of the starling family, and it is known for its voice, with which it \
        repeats what it hears, now and then.</p><p>It lives in pairs, in towns as well as in woods, \
        and it eats nearly everything that it finds, fruit, insects, and what people leave.</p>\
        </article><footer>Accept our cookies</footer></body></html>";

    #[test]
    fn the_article_is_read_without_what_stands_beside_it() {
        let record = page(PAGE);
        assert!(record.text.contains("starling family"), "{}", record.text);
        assert!(record.text.contains("\n\nIt lives in pairs"), "{}", record.text);
        assert!(!record.text.contains("Shop") && !record.text.contains("cookies"));
        assert_eq!(record.title.as_deref(), Some("On birds"));
        assert_eq!(record.author.as_deref(), Some("A. Person"));
        assert_eq!(record.url.as_deref(), Some("https://h/birds"));
        assert_eq!(record.licence.as_deref(), Some("CC-BY-SA-4.0"));
        assert_eq!(record.opt_out, None);
    }

    #[test]
    fn a_reservation_in_the_page_is_seen() {
        for (meta, evidence) in [
            ("<meta name='tdm-reservation' content='1'>", "tdm-reservation"),
            ("<meta name='robots' content='index, noai'>", "noai"),
        ] {
            let record = page(&PAGE.replace("<head>", &format!("<head>{meta}")));
            assert!(record.opt_out.unwrap().contains(evidence));
        }
        let allowed = PAGE.replace("<head>", "<head><meta name='tdm-reservation' content='0'>");
        assert_eq!(page(&allowed).opt_out, None);
    }

    #[test]
    fn a_short_page_gives_all_its_text() {
        let record = page("<p>你好，世界。</p><script>x()</script>");
        assert_eq!(record.text, "你好，世界。");
        assert_eq!(page("").text, "");
    }
}
