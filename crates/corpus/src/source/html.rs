//! Pages: what is written in them without menus and advertisements, and what they say about
//! themselves.
//!
//! A page is cut into tags and text by the rules of HTML (html5ever); no tree is built. Where there
//! is an `<article>` or `<main>`, its text is the page's; otherwise all text is that does not stand
//! in menus, headers, footers, forms and asides.

mod extract;

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

use super::{Record, Sink, whole};
use crate::{Error, licence};
use extract::{Page, extract};

pub(super) fn read(path: &Path, from: &mut dyn BufRead, sink: &mut Sink<'_>) -> Result<(), Error> {
    sink(page(&whole(path, from)?))
}

/// The text of a page and what it says about itself.
fn page(html: &str) -> Record {
    let mut page = extract(html, true);
    if page.is_cut {
        // What stands beside the text was never closed: better too much than nothing.
        page = extract(html, false);
    }
    let Page { text, title, meta, links, .. } = page;
    let meta_of = |name: &str| meta.get(name).filter(|content| !content.is_empty()).cloned();
    let link = |relation: &str| links.get(relation).cloned();
    Record {
        place: None,
        text,
        title: Some(title).filter(|title| !title.is_empty()),
        author: meta_of("author"),
        url: link("canonical").or_else(|| meta_of("og:url")),
        licence: link("license").and_then(|href| licence::stated(&href)),
        opt_out: opt_out(&meta),
    }
}

/// What in the page says that it is not to be used for training.
///
/// Sources: the TDM Reservation Protocol (W3C Community Group, final report of 2024), section 5.2;
/// the values `noai` and `noml` of the robots meta element, as DeviantArt introduced them in 2022.
fn opt_out(meta: &HashMap<String, String>) -> Option<String> {
    if meta.get("tdm-reservation").is_some_and(|value| value == "1") {
        return Some("the page's meta element tdm-reservation".to_owned());
    }
    let robots = meta.get("robots")?.to_ascii_lowercase();
    let word = robots.split([',', ' ']).find(|word| matches!(*word, "noai" | "noml"))?;
    Some(format!("the page's meta element robots: {word}"))
}

/// The text of a chapter of a book, in which everything is text.
pub(super) fn chapter(html: &str) -> String {
    extract(html, false).text
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
