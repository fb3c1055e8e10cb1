//! Shows a pull: a bar on a terminal, a few lines elsewhere; asks for licences.

use std::cell::RefCell;
use std::fs;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mynah_hub::{Event, Observer, Terms};

use crate::terminal::{Terminal, printable};
use crate::units;

/// Shows what the hub does.
pub(crate) struct Progress<'t> {
    terminal: &'t Terminal,
    /// The person accepts licences by having said so on the command line.
    accepts: bool,
    bar: RefCell<Option<ProgressBar>>,
}

impl<'t> Progress<'t> {
    pub(crate) fn new(terminal: &'t Terminal, accepts: bool) -> Self {
        Self { terminal, accepts, bar: RefCell::new(None) }
    }

    /// Says something without spoiling the bar.
    fn note(&self, text: &str) {
        let text = printable(text);
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(|| self.terminal.note(&text)),
            None => self.terminal.note(&text),
        }
    }

    fn start(&self, file: &str, bytes: Option<u64>, kept: u64) {
        if kept > 0 && bytes != Some(kept) {
            let share = bytes.map(|b| format!(" of {}", units::bytes(b))).unwrap_or_default();
            self.note(&format!("{file}: going on at {}{share}", units::bytes(kept)));
        }
        // A text of a few kilobytes is here before a bar would be.
        if !self.terminal.shows_progress() || bytes.is_some_and(|bytes| bytes < 1 << 20) {
            return;
        }
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        let template = match bytes {
            Some(_) => {
                "{msg}  {bar:24}  {decimal_bytes} of {decimal_total_bytes}  \
                 {decimal_bytes_per_sec}  {eta}"
            }
            None => "{msg}  {spinner}  {decimal_bytes}  {decimal_bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("█▌ "));
        }
        bar.set_message(printable(file));
        bar.set_position(kept);
        bar.reset_eta();
        *self.bar.borrow_mut() = Some(bar);
    }

    fn stop(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    fn ask(&self, terms: &Terms) -> bool {
        if !self.terminal.is_interactive() {
            return false;
        }
        let question = format!("Do you accept the {}? [y/N, s shows them] ", terms.name);
        loop {
            let answer = self.terminal.ask(&question).ok().flatten().unwrap_or_default();
            match answer.to_lowercase().as_str() {
                "y" | "yes" => return true,
                "s" | "show" => match terms.text.as_ref().map(fs::read_to_string) {
                    Some(Ok(text)) => self.note(&text_of_html(&text)),
                    _ => self.note(&format!("They are at {}", terms.url)),
                },
                _ => return false,
            }
        }
    }
}

impl Observer for Progress<'_> {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Fetching { model, source, bytes, licence } => {
                let size = bytes.map(|b| format!(", {}", units::bytes(b))).unwrap_or_default();
                let licence = licence.map(|l| format!(", licence {l}")).unwrap_or_default();
                self.note(&format!("fetching {model}{size}{licence}, from {source}"));
            }
            Event::WaitingForOther { model } => {
                self.note(&format!("another mynah is fetching {model}; waiting for it"));
            }
            Event::FileStarted { file, bytes, kept } => {
                self.stop();
                self.start(file, bytes, kept);
            }
            Event::FileProgress { bytes } => {
                if let Some(bar) = &*self.bar.borrow() {
                    bar.set_position(bytes);
                }
            }
            Event::FileFinished { .. } => self.stop(),
            Event::Retrying { reason, wait, .. } => {
                let wait = match wait {
                    Duration::ZERO => "now".to_owned(),
                    wait => format!("in {}", HumanDuration(wait)),
                };
                self.note(&format!("{reason}; trying again {wait}"));
            }
            Event::StartingOver { file, reason } => {
                self.note(&format!("{file}: starting again: {reason}"));
            }
            Event::SourceFailed { source, error } => {
                self.stop();
                self.note(&format!("{source} cannot be used: {error}; trying the next source"));
            }
        }
    }

    fn accept(&self, terms: &Terms) -> bool {
        self.stop();
        let Terms { model, name, url, .. } = terms;
        self.note(&format!("{model} is under the {name}: {url}"));
        if self.accepts {
            self.note(&format!("you accept the {name} by --accept-licence"));
            return true;
        }
        self.ask(terms)
    }
}

/// The words of a page: without what stands between `<` and `>`, and without scripts and styles;
/// only the article if the page marks one.
fn text_of_html(html: &str) -> String {
    if !html.contains('<') {
        return html.to_owned();
    }
    let article = html.find("<article").and_then(|start| {
        let end = html[start..].find("</article>")?;
        Some(&html[start..start + end])
    });
    let mut rest = article.unwrap_or(html);
    let mut text = String::new();
    while let Some(open) = rest.find('<') {
        // An end of line in the page is a space; tags end lines.
        text.push_str(&rest[..open].replace('\n', " "));
        rest = &rest[open..];
        let tag: String =
            rest[1..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect();
        let end = match tag.to_ascii_lowercase().as_str() {
            name @ ("script" | "style" | "head" | "svg") => {
                rest.find(&format!("</{name}>")).map(|at| at + name.len() + 3)
            }
            "p" | "/p" | "br" | "li" | "div" | "/div" | "tr" | "h1" | "h2" | "h3" | "h4" => {
                text.push('\n');
                rest.find('>').map(|at| at + 1)
            }
            _ => rest.find('>').map(|at| at + 1),
        };
        rest = &rest[end.unwrap_or(rest.len())..];
    }
    text.push_str(rest);
    for (code, character) in
        [("&nbsp;", " "), ("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">")]
    {
        text = text.replace(code, character);
    }
    text = text.replace("&amp;", "&");
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_text() {
        let html = "<html><head><title>x</title></head><body>nav<article class=a><h1>Terms</h1>\
            <script>if (a < b) {}</script><p>Section&nbsp;1: &quot;Use&quot;\n   it &amp; them</p>\
            <ul><li>one<li>two</ul></article>footer</body>";
        assert_eq!(text_of_html(html), "Terms\nSection 1: \"Use\" it & them\none\ntwo");
        assert_eq!(text_of_html("plain words\nin lines"), "plain words\nin lines");
        assert_eq!(text_of_html("a <b"), "a");
        assert_eq!(text_of_html("<script>never closed"), "");
    }
}
