//! Text to tokens and back.
//!
//! A [`Tokenizer`] is made from a GGUF file's metadata or from Hugging Face's `tokenizer.json`.
//! Both become the same chain: tokens that stand in the text are cut out ([`added`]), the rest is
//! normalized ([`normalize`]), cut into words ([`pretokenize`]), and each word becomes tokens
//! ([`words`]).
//!
//! # Text is text
//!
//! A control token such as `<|im_start|>` says where a turn of a conversation begins. Whoever can
//! make one can speak as the system. So [`Tokenizer::encode`] takes text to be text:
//! `<|im_start|>` becomes the tokens of `<`, `|`, `im` and so on, whatever the text is, because the
//! table that words are looked up in has no control token. Only [`SpecialText::Parse`], which is
//! for sources that the caller wrote, reads them. A conversation is both: its template is trusted
//! and the messages are not. [`Tokenizer::encode_rendered`] takes what a template made together
//! with the places where a message's characters went, and reads a control token only where all of
//! its characters are the template's. See [`crate::template`] for what that does not stop.
//!
//! This module opens no file, and knows nothing of sampling or of the model that reads the tokens.

mod added;
mod alphabet;
mod arena;
mod bpe;
mod charsmap;
mod error;
mod gguf;
mod gguf_write;
mod huggingface;
mod merge;
mod normalize;
mod prefix;
mod pretokenize;
mod scored;
mod special;
mod splitter;
mod stream;
mod unigram;
mod vocab;
mod wordpiece;
mod words;

pub use error::TokenizerError;
pub use huggingface::HuggingFaceFiles;
pub use special::SpecialIds;
pub use splitter::{Splitter, byte_character};
pub use stream::StreamDecoder;
pub use vocab::TokenKind;

use added::{AddedTokens, Fragment, Reading};
use normalize::Normalizer;
use pretokenize::PreTokenizer;
use vocab::Vocab;
use words::{Model, Workspace};

use crate::template::Rendered;

/// What becomes of a control token's name in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecialText {
    /// It is text like any other.
    #[default]
    AsText,
    /// It becomes the token. Only for text that the caller trusts as a whole.
    Parse,
}

/// Turns text into tokens and tokens into text.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    vocab: Vocab,
    added: AddedTokens,
    normalizer: Normalizer,
    splitter: PreTokenizer,
    model: Model,
    /// Whether words may be cut further before a space, see [`scored::words_are_independent`].
    independent_words: bool,
    special: SpecialIds,
    /// The tokens that end an answer, in order.
    ends: Vec<u32>,
    /// What is put before and after a text that the model is to read.
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    /// Whether a text gets a space before it, which decoding takes away again.
    adds_space: bool,
}

impl Tokenizer {
    /// The tokens of a text.
    ///
    /// Nothing is put before or after it, see [`Tokenizer::encode_prompt`]. With
    /// [`SpecialText::AsText`] no token is a control token.
    pub fn encode(&self, text: &str, special: SpecialText) -> Vec<u32> {
        let reading = match special {
            SpecialText::AsText => Reading::Text,
            SpecialText::Parse => Reading::Source,
        };
        let mut out = Vec::new();
        self.encode_into(text, reading, &mut out);
        out
    }

    /// The tokens of a text with what the model expects before and after it, such as a token for
    /// the beginning, or `[CLS]` and `[SEP]` for an encoder.
    pub fn encode_prompt(&self, text: &str, special: SpecialText) -> Vec<u32> {
        let mut out = self.prefix.clone();
        out.extend(self.encode(text, special));
        out.extend_from_slice(&self.suffix);
        out
    }

    /// The tokens of a conversation that a template rendered.
    ///
    /// A control token is read where all of its characters are the template's. The text is cut into
    /// words as a whole, so that honest messages get the very tokens that [`SpecialText::Parse`]
    /// would give. The token for the beginning of a text is put first if the model wants one and
    /// the template has not written it.
    pub fn encode_rendered(&self, rendered: &Rendered) -> Vec<u32> {
        let mut out = Vec::new();
        let (untrusted, guarded) = (rendered.untrusted(), rendered.guarded());
        let reading = Reading::SourceExcept { untrusted, guarded };
        self.encode_into(rendered.text(), reading, &mut out);
        if let Some(bos) = self.bos()
            && self.add_bos()
            && out.first() != Some(&bos)
        {
            out.insert(0, bos);
        }
        out
    }

    fn encode_into(&self, text: &str, reading: Reading<'_>, out: &mut Vec<u32>) {
        out.reserve(text.len() / 4 + 1);
        let mut workspace = Workspace::new(text.len());
        self.added.each_fragment(&self.vocab, text, reading, |fragment| match fragment {
            Fragment::Token(id) => out.push(id),
            Fragment::Text(range) => {
                let at_start = range.start == 0;
                self.encode_fragment(&text[range], at_start, &mut workspace, out);
            }
        });
    }

    /// Appends the tokens of a text in which no token is cut out any more.
    fn encode_fragment(
        &self,
        text: &str,
        at_start: bool,
        workspace: &mut Workspace,
        out: &mut Vec<u32>,
    ) {
        let text = self.normalizer.apply(text, at_start);
        let mut encode = |text: &str, at_start: bool, out: &mut Vec<u32>| {
            self.splitter.each_word(text, at_start, |word| {
                let independent = self.independent_words;
                self.model.encode(&self.vocab, word, independent, workspace, out);
            });
        };
        let later = self.added.normalized();
        if later.is_empty() {
            return encode(&text, at_start, out);
        }
        later.each_fragment(&self.added, &text, |fragment| match fragment {
            Fragment::Token(id) => out.push(id),
            Fragment::Text(range) => {
                let at_start = at_start && range.start == 0;
                encode(&text[range], at_start, out);
            }
        });
    }

    /// The text that tokens stand for, as bytes: a token may end in the middle of a character.
    ///
    /// Control tokens have no text. If encoding puts a space before a text, that space is taken
    /// away. Ids that are no token are passed over.
    pub fn decode(&self, ids: &[u32]) -> Vec<u8> {
        let mut out = Vec::with_capacity(ids.len() * 4);
        for &id in ids {
            out.extend_from_slice(self.token_bytes(id));
        }
        if self.adds_space && out.first() == Some(&b' ') {
            out.remove(0);
        }
        out
    }

    /// The bytes that a token appends to a text; none for a control token or an unknown id.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.vocab.bytes(id)
    }

    /// What a token is called: a control token's own text, otherwise what it appends.
    pub fn token_name(&self, id: u32) -> &[u8] {
        match self.vocab.kind(id) {
            TokenKind::Control | TokenKind::Unknown | TokenKind::Unused => self.vocab.key(id),
            _ => self.vocab.bytes(id),
        }
    }

    /// Of which kind a token is; [`TokenKind::Unused`] for an unknown id.
    pub fn kind(&self, id: u32) -> TokenKind {
        self.vocab.kind(id)
    }

    /// Whether a token is a control token.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocab.kind(id) == TokenKind::Control
    }

    /// Whether an answer ends with this token.
    pub fn is_end_of_generation(&self, id: u32) -> bool {
        self.ends.binary_search(&id).is_ok()
    }

    /// The tokens with which an answer may end, in order.
    pub fn end_of_generation(&self) -> &[u32] {
        &self.ends
    }

    /// How many tokens there are, counting those that nothing produces.
    pub fn vocab_len(&self) -> usize {
        self.vocab.len()
    }

    /// The tokens with a task.
    pub fn special(&self) -> &SpecialIds {
        &self.special
    }

    /// The token that begins a text.
    pub fn bos(&self) -> Option<u32> {
        self.special.bos
    }

    /// The token that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.special.eos
    }

    /// Whether [`Tokenizer::encode_prompt`] begins with the token for that.
    pub fn add_bos(&self) -> bool {
        self.special.bos.is_some() && self.prefix.first() == self.special.bos.as_ref()
    }

    /// Whether [`Tokenizer::encode_prompt`] ends with the token for that.
    pub fn add_eos(&self) -> bool {
        self.special.eos.is_some() && self.suffix.last() == self.special.eos.as_ref()
    }

    /// The control tokens and their texts, as a template may write them.
    pub fn control_tokens(&self) -> impl Iterator<Item = (u32, &str)> {
        let ids = 0..self.vocab.len() as u32;
        ids.filter(|&id| self.is_control(id))
            .filter_map(|id| Some((id, std::str::from_utf8(self.vocab.key(id)).ok()?)))
    }

    /// Whether a text holds the text of a control token.
    pub(crate) fn holds_control(&self, text: &str) -> bool {
        let mut holds = false;
        self.added.each_fragment(&self.vocab, text, Reading::Source, |fragment| {
            holds |= matches!(fragment, Fragment::Token(id) if self.is_control(id));
        });
        holds
    }

    /// The control token with this text.
    pub fn control_token(&self, text: &str) -> Option<u32> {
        self.control_tokens().find(|(_, name)| *name == text).map(|(id, _)| id)
    }

    /// Appends tokens that nothing produces, until there are `n`: a model may have more rows in its
    /// tables than its tokenizer has tokens.
    pub fn pad_to(&mut self, n: usize) -> Result<(), TokenizerError> {
        self.vocab.pad_to(n)
    }
}
