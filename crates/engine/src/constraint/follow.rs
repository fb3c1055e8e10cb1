//! Following a grammar token by token.

use std::sync::Arc;

use llguidance::Matcher;
use serde_json::Value;

use super::compile::{self, Compiled, work_limit};
use super::error::ConstraintError;
use super::grammars::Grammars;

/// How much of the text before a fault is shown.
const SHOWN_BEFORE: usize = 40;

/// Says which tokens an answer may go on with.
///
/// The allowed tokens are a function of the grammar and of the tokens so far. Taking
/// tokens back ([`rollback`](Self::rollback)) leads to the very state before them, so
/// drafted tokens can be tried and dropped.
///
/// A clone goes on from where the original is and shares nothing that changes with it;
/// [`restarted`](Self::restarted) makes one for another answer, without compiling the
/// grammar again.
pub struct Constraint {
    grammars: Grammars,
    /// At the beginning of the grammar; never advanced.
    start: Arc<Matcher>,
    matcher: Matcher,
    warnings: Arc<[String]>,
    /// The tokens so far.
    tokens: Vec<u32>,
    /// Whether the last token has ended the answer; the matcher has not seen it.
    ended: bool,
    /// Allowed tokens: bit `i % 32` of word `i / 32` stands for token `i`.
    mask: Vec<u32>,
    mask_is_current: bool,
}

impl Clone for Constraint {
    fn clone(&self) -> Self {
        Self {
            grammars: self.grammars.clone(),
            start: Arc::clone(&self.start),
            // Deep: a shared lexer would share its limits, and one answer could then
            // fail because of what another has done.
            matcher: self.matcher.deep_clone(),
            warnings: Arc::clone(&self.warnings),
            tokens: self.tokens.clone(),
            ended: self.ended,
            mask: self.mask.clone(),
            mask_is_current: self.mask_is_current,
        }
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constraint")
            .field("tokens", &self.tokens)
            .field("ended", &self.ended)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl Constraint {
    /// Answers are JSON that fits the schema, given as text.
    ///
    /// See the module for what of JSON Schema can be followed.
    ///
    /// # Errors
    /// With line and column where the text is no JSON; with path and remedy where the
    /// schema cannot be followed.
    pub fn json_schema(grammars: &Grammars, text: &str) -> Result<Self, ConstraintError> {
        Ok(Self::begin(grammars, compile::json_schema(grammars, text)?))
    }

    /// Answers are JSON that fits the schema.
    ///
    /// # Errors
    /// With path and remedy where the schema cannot be followed.
    pub fn json_schema_value(grammars: &Grammars, schema: &Value) -> Result<Self, ConstraintError> {
        Ok(Self::begin(grammars, compile::json_schema_value(grammars, schema)?))
    }

    /// Answers are JSON objects of any content.
    ///
    /// # Errors
    /// If the vocabulary cannot be indexed.
    pub fn json_object(grammars: &Grammars) -> Result<Self, ConstraintError> {
        Self::json_schema(grammars, r#"{"type": "object"}"#)
    }

    /// Answers match a regular expression, from beginning to end.
    ///
    /// The syntax is that of the Rust crate `regex`, without word boundaries.
    ///
    /// # Errors
    /// With line and column of the fault.
    pub fn regex(grammars: &Grammars, text: &str) -> Result<Self, ConstraintError> {
        Ok(Self::begin(grammars, compile::regex(grammars, text)?))
    }

    /// Answers are derived from the rule `start` of a grammar in Lark's notation.
    ///
    /// # Errors
    /// With line and column of the fault where they are known.
    pub fn lark(grammars: &Grammars, text: &str) -> Result<Self, ConstraintError> {
        Ok(Self::begin(grammars, compile::lark(grammars, text)?))
    }

    fn begin(grammars: &Grammars, (matcher, warnings): Compiled) -> Self {
        let words = grammars.vocabulary().vocab_len().div_ceil(32);
        Self {
            grammars: grammars.clone(),
            start: Arc::new(matcher.deep_clone()),
            matcher,
            warnings: warnings.into(),
            tokens: Vec::new(),
            ended: false,
            mask: vec![0; words],
            mask_is_current: false,
        }
    }

    /// The same constraint at its beginning, for another answer.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self {
            grammars: self.grammars.clone(),
            start: Arc::clone(&self.start),
            matcher: self.start.deep_clone(),
            warnings: Arc::clone(&self.warnings),
            tokens: Vec::new(),
            ended: false,
            mask: vec![0; self.mask.len()],
            mask_is_current: false,
        }
    }

    /// What was noticed about the grammar and does not prevent following it.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The tokens so far.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Calculates which tokens may come next.
    ///
    /// Bit `i % 32` of word `i / 32` stands for token `i`. An end token is allowed where
    /// the answer may end, and is all that is allowed once it has to.
    ///
    /// # Errors
    /// If no token may come next, or if it takes more work than the limit to say.
    pub fn mask(&mut self) -> Result<&[u32], ConstraintError> {
        if !self.mask_is_current {
            if self.is_done() {
                self.mask.fill(0);
                let vocabulary = self.grammars.vocabulary();
                let ids = 0..vocabulary.vocab_len() as u32;
                for id in ids.filter(|&id| vocabulary.is_end_of_generation(id)) {
                    self.mask[id as usize / 32] |= 1 << (id % 32);
                }
            } else {
                let allowed = self.matcher.compute_mask().map_err(|f| self.fault(&f))?;
                // The library's set has room for one token more than there are.
                let words = self.mask.len();
                self.mask.copy_from_slice(&allowed.as_slice()[..words]);
            }
            self.mask_is_current = true;
        }
        Ok(&self.mask)
    }

    /// Goes on with a token.
    ///
    /// # Errors
    /// If the token is not allowed here; the constraint is then as before.
    pub fn advance(&mut self, token: u32) -> Result<(), ConstraintError> {
        let vocabulary = self.grammars.vocabulary();
        let vocab_len = vocabulary.vocab_len();
        if token as usize >= vocab_len {
            return Err(ConstraintError::TokenOutOfVocabulary { token, vocab_len });
        }
        if self.ended {
            return Err(ConstraintError::AfterEnd { token });
        }
        if vocabulary.is_end_of_generation(token) && self.can_end()? {
            self.ended = true;
        } else {
            if self.accepts(&[token])? == 0 {
                return Err(ConstraintError::TokenNotAllowed {
                    token,
                    text: String::from_utf8_lossy(self.grammars.vocabulary().token_bytes(token))
                        .into_owned(),
                    before: self.text_end(),
                });
            }
            self.matcher.consume_token(token).map_err(|f| self.fault(&f))?;
        }
        self.tokens.push(token);
        self.mask_is_current = false;
        Ok(())
    }

    /// Says how many of the tokens could follow one after the other; changes nothing.
    ///
    /// End tokens are not counted.
    ///
    /// # Errors
    /// If it takes more work than the limit to say.
    pub fn accepts(&mut self, tokens: &[u32]) -> Result<usize, ConstraintError> {
        if self.is_done() {
            return Ok(0);
        }
        let vocab_len = self.grammars.vocabulary().vocab_len();
        let known = tokens.iter().take_while(|&&t| (t as usize) < vocab_len).count();
        self.matcher.validate_tokens(&tokens[..known]).map_err(|f| self.fault(&f))
    }

    /// Takes the last tokens back.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn rollback(&mut self, count: usize) -> Result<(), ConstraintError> {
        let available = self.tokens.len();
        if count > available {
            return Err(ConstraintError::RollbackTooFar { asked: count, available });
        }
        if count == 0 {
            return Ok(());
        }
        let seen_by_matcher = count - usize::from(self.ended);
        self.tokens.truncate(available - count);
        self.ended = false;
        self.mask_is_current = false;
        if seen_by_matcher > 0 && self.matcher.rollback(seen_by_matcher).is_err() {
            // Some grammars cannot be followed backwards: follow them again from the start.
            self.matcher = self.start.deep_clone();
            let matcher = &mut self.matcher;
            matcher
                .consume_tokens(&self.tokens)
                .map_err(|fault| ConstraintError::Library { message: format!("{fault:#}") })?;
        }
        Ok(())
    }

    /// Whether the answer is complete and nothing but an end token can follow.
    pub fn is_done(&self) -> bool {
        self.ended || self.matcher.is_stopped()
    }

    /// Whether the answer could end here.
    ///
    /// # Errors
    /// If it takes more work than the limit to say.
    pub fn can_end(&mut self) -> Result<bool, ConstraintError> {
        if self.is_done() {
            return Ok(true);
        }
        self.matcher.is_accepting().map_err(|f| self.fault(&f))
    }

    /// Says which tokens have to follow, whatever the model thinks; changes nothing.
    ///
    /// They are the tokens into which the vocabulary splits the text that the grammar
    /// demands next, except the last of them where what follows might join it. Empty if
    /// there is a choice, or if the vocabulary cannot split text. The caller advances
    /// over them.
    ///
    /// # Errors
    /// If it takes more work than the limit to say.
    pub fn forced_tokens(&mut self) -> Result<Vec<u32>, ConstraintError> {
        if self.is_done() {
            return Ok(Vec::new());
        }
        let forced = self.matcher.compute_ff_tokens();
        match self.matcher.get_error() {
            Some(fault) => Err(self.fault(&fault)),
            None => Ok(forced),
        }
    }

    /// The library's message as our error.
    fn fault(&self, message: &dyn std::fmt::Display) -> ConstraintError {
        let message = message.to_string();
        let first = message.lines().next().unwrap_or("").to_owned();
        if first.starts_with("NoExtension") {
            return ConstraintError::DeadEnd { before: self.text_end() };
        }
        let limit = work_limit("grammar", &first);
        limit.unwrap_or(ConstraintError::Library { message: first })
    }

    /// The end of the text so far.
    fn text_end(&self) -> String {
        let vocabulary = self.grammars.vocabulary();
        let last = &self.tokens[self.tokens.len().saturating_sub(SHOWN_BEFORE)..];
        let bytes: Vec<u8> =
            last.iter().flat_map(|&token| vocabulary.token_bytes(token)).copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let skipped = text.chars().count().saturating_sub(SHOWN_BEFORE);
        text.chars().skip(skipped).collect()
    }
}
