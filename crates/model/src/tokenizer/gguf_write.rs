//! A tokenizer as the `tokenizer.ggml.*` keys of a GGUF file.
//!
//! The keys are those that llama.cpp reads. GGUF has no words for some of what a tokenizer.json can
//! say: such a tokenizer is refused, except that canonical composition (NFC) is left out, as
//! llama.cpp's own converter does.

use super::alphabet::{self, Alphabet, LOW_LINE};
use super::bpe::Bpe;
use super::gguf::{
    ADD_BOS, ADD_EOS, ADD_SEP, ADD_SPACE, CHARSMAP, COLLAPSE, ENDS, Family, ID_KEYS, KINDS,
    LOWERCASE, MERGES, MODEL, PRE, SCORES, STRIP_ACCENTS, TOKENS, bert_pre_tokenizer,
};
use super::merge::MergeBuffers;
use super::normalize::Change;
use super::pretokenize::{Prefix, Step, patterns};
use super::vocab::TokenKind;
use super::words::Model;
use super::{Tokenizer, TokenizerError};
use crate::checkpoint::{Metadata, Value};

impl Tokenizer {
    /// The `tokenizer.ggml.*` keys that make llama.cpp, and [`Tokenizer::from_metadata`], tokenize
    /// as this does.
    ///
    /// # Errors
    /// If GGUF cannot say what this tokenizer does, such as a pre-tokenizer that has no name there.
    pub fn to_metadata(&self) -> Result<Metadata, TokenizerError> {
        let mut metadata = Metadata::new();
        let family = match &self.model {
            Model::Bpe(bpe) => self.write_merges(bpe, &mut metadata)?,
            Model::Scored(scored) => {
                metadata.insert(SCORES.into(), Value::F32s(scored.scores().to_vec()));
                self.write_spaces(&mut metadata)?;
                Family::Scored
            }
            Model::Unigram(unigram) if !unigram.byte_fallback() => {
                metadata.insert(SCORES.into(), Value::F32s(unigram.scores().to_vec()));
                self.write_spaces(&mut metadata)?;
                Family::Unigram
            }
            Model::Unigram(_) => return Err(not_in_gguf("a unigram model with byte tokens")),
            Model::WordPiece(_) => {
                self.write_bert(&mut metadata)?;
                Family::WordPiece
            }
        };
        metadata.insert(MODEL.into(), Value::String(family.name().into()));
        metadata.entry(PRE.into()).or_insert_with(|| Value::String("default".into()));
        self.write_tokens(&mut metadata);
        for (key, slot) in ID_KEYS.into_iter().take(15) {
            if let Some(id) = *slot(&mut self.special.clone()) {
                metadata.insert(key.into(), Value::U32(id));
            }
        }
        if self.ends.len() > 1 {
            metadata.insert(ENDS.into(), Value::U32s(self.ends.clone()));
        }
        if family != Family::WordPiece {
            self.check_ends()?;
            metadata.insert(ADD_BOS.into(), Value::Bool(self.add_bos()));
            metadata.insert(ADD_EOS.into(), Value::Bool(self.add_eos()));
        }
        metadata.insert(ADD_SEP.into(), Value::Bool(family == Family::WordPiece));
        Ok(metadata)
    }

    fn write_tokens(&self, metadata: &mut Metadata) {
        let ids = 0..self.vocab.len() as u32;
        let kinds = ids.clone().map(|id| self.vocab.kind(id) as i32).collect();
        metadata.insert(KINDS.into(), Value::I32s(kinds));
        let texts = ids.map(|id| self.gguf_text(id)).collect();
        metadata.insert(TOKENS.into(), Value::Strings(texts));
    }

    /// A token's text as GGUF writes it.
    fn gguf_text(&self, id: u32) -> String {
        let key = self.vocab.key(id);
        let text = || String::from_utf8_lossy(key).into_owned();
        match (self.vocab.alphabet(), self.vocab.kind(id)) {
            (Alphabet::Bytes, TokenKind::Normal) if self.vocab.is_byte_level(id) => {
                key.iter().map(|&byte| alphabet::char_of_byte(byte)).collect()
            }
            (Alphabet::Spaced, TokenKind::UserDefined) => text().replace(LOW_LINE, " "),
            _ => text(),
        }
    }

    /// Writes merges, or scores in their place, and says of which family that makes the file.
    fn write_merges(&self, bpe: &Bpe, metadata: &mut Metadata) -> Result<Family, TokenizerError> {
        if self.vocab.alphabet() == Alphabet::Spaced {
            self.write_merges_as_scores(bpe, metadata)?;
            return Ok(Family::Scored);
        }
        if self.normalizer.changes().iter().any(|change| !matches!(change, Change::Nfc)) {
            return Err(not_in_gguf("a byte-level tokenizer that changes the text"));
        }
        let mut names = patterns::names_of(&self.splitter).peekable();
        if names.peek().is_none() {
            let steps = self.splitter.steps();
            return Err(not_in_gguf(format!("no name for the pre-tokenizer {steps:?}")));
        }
        let names: Vec<_> = names.collect();
        let alike = names.iter().find(|named| named.whole_words == bpe.whole_words());
        let named = match alike {
            Some(named) => named,
            None if self.merges_reach_every_token(bpe) => names[0],
            None => return Err(not_in_gguf("tokens that no merge makes, or makes too early")),
        };
        metadata.insert(PRE.into(), Value::String(named.names[0].into()));
        let merges = bpe
            .merges()
            .into_iter()
            .map(|(left, right, _)| format!("{} {}", self.gguf_text(left), self.gguf_text(right)));
        metadata.insert(MERGES.into(), Value::Strings(merges.collect()));
        Ok(Family::Merges)
    }

    /// Whether it makes no difference that a word which is a token becomes that token at once.
    fn merges_reach_every_token(&self, bpe: &Bpe) -> bool {
        let bpe = bpe.without_whole_words();
        let (mut symbols, mut buffers) = (Vec::new(), MergeBuffers::default());
        let mut out = Vec::new();
        (0..self.vocab.len() as u32).all(|id| {
            let Ok(word) = std::str::from_utf8(self.vocab.key(id)) else { return true };
            if self.vocab.find(word.as_bytes()) != Some(id) {
                return true;
            }
            out.clear();
            bpe.encode_word(&self.vocab, word, &mut symbols, &mut buffers, &mut out);
            out == [id]
        })
    }

    /// Gives each token the urgency of the merge that makes it as its score.
    fn write_merges_as_scores(
        &self,
        bpe: &Bpe,
        metadata: &mut Metadata,
    ) -> Result<(), TokenizerError> {
        if !self.vocab.has_all_bytes() {
            return Err(not_in_gguf("characters that have neither tokens nor byte tokens"));
        }
        let mut scores = vec![NO_SCORE; self.vocab.len()];
        for (rank, (_, _, id)) in bpe.merges().into_iter().enumerate() {
            let score = &mut scores[id as usize];
            if *score == NO_SCORE {
                *score = -(rank as f32);
            }
        }
        metadata.insert(SCORES.into(), Value::F32s(scores));
        self.write_spaces(metadata)
    }

    /// Writes what is done to spaces, if it is what SentencePiece can do.
    fn write_spaces(&self, metadata: &mut Metadata) -> Result<(), TokenizerError> {
        let mut prefix = Prefix::Never;
        let mut collapse = false;
        for change in self.normalizer.changes() {
            match change {
                Change::Spaces(spaces) => {
                    prefix = spaces.prefix;
                    collapse |= spaces.collapse;
                }
                Change::Charsmap(map) if matches!(self.model, Model::Unigram(_)) => {
                    metadata.insert(CHARSMAP.into(), Value::U8s(map.blob().to_vec()));
                }
                Change::Replace { .. } if change.collapses_spaces() => collapse = true,
                Change::Strip { .. } if matches!(self.model, Model::Unigram(_)) => {}
                other => return Err(not_in_gguf(format!("the normalizer {other:?}"))),
            }
        }
        let mut spares_spaces = false;
        for step in self.splitter.steps() {
            match step {
                Step::Metaspace { replacement: LOW_LINE, prefix: before, .. } => {
                    prefix = *before;
                    spares_spaces =
                        prefix != Prefix::Never && matches!(self.model, Model::Unigram(_));
                }
                step if *step == bert_pre_tokenizer().steps()[0] => collapse = true,
                other => return Err(not_in_gguf(format!("the pre-tokenizer {other:?}"))),
            }
        }
        if spares_spaces && !collapse {
            let reason = "a space before a text, but not before one that begins with a space";
            return Err(not_in_gguf(reason));
        }
        metadata.insert(ADD_SPACE.into(), Value::Bool(prefix != Prefix::Never));
        metadata.insert(COLLAPSE.into(), Value::Bool(collapse));
        Ok(())
    }

    /// Writes what is done to a text for WordPiece, if it is what BERT does.
    fn write_bert(&self, metadata: &mut Metadata) -> Result<(), TokenizerError> {
        let [Change::Bert(bert)] = self.normalizer.changes() else {
            return Err(not_in_gguf("WordPiece with another normalizer than BERT's"));
        };
        if !bert.clean_text || !bert.split_chinese || self.splitter != bert_pre_tokenizer() {
            return Err(not_in_gguf("WordPiece with other words than BERT's"));
        }
        metadata.insert(LOWERCASE.into(), Value::Bool(bert.lowercase));
        metadata.insert(STRIP_ACCENTS.into(), Value::Bool(bert.strip_accents));
        Ok(())
    }

    /// Checks that a text gets nothing before or after it but the two tokens that GGUF knows.
    fn check_ends(&self) -> Result<(), TokenizerError> {
        let begins_well =
            self.prefix.is_empty() || self.prefix.as_slice() == self.special.bos.as_slice();
        let ends_well =
            self.suffix.is_empty() || self.suffix.as_slice() == self.special.eos.as_slice();
        if begins_well && ends_well {
            return Ok(());
        }
        let names = |ids: &[u32]| {
            let name = |&id: &u32| String::from_utf8_lossy(self.token_name(id)).into_owned();
            ids.iter().map(name).collect::<String>()
        };
        let (before, after) = (names(&self.prefix), names(&self.suffix));
        Err(not_in_gguf(format!("texts that begin with `{before}` and end with `{after}`")))
    }
}

/// The score of a token that no merge makes.
const NO_SCORE: f32 = -1e9;

fn not_in_gguf(reason: impl Into<String>) -> TokenizerError {
    TokenizerError::NotInGguf { reason: reason.into() }
}
