//! What constraints and sequence breakers need to know of a tokenizer.

/// The tokens of a model, as bytes.
///
/// A trait and not the tokenizer itself, so that grammars can be tested on a
/// vocabulary of a few lines.
pub trait Vocabulary: Send + Sync {
    /// How many token ids there are.
    fn vocab_len(&self) -> usize;

    /// The bytes that the token stands for in text, or the name of a control token.
    ///
    /// Empty where the token stands for nothing. Not necessarily UTF-8.
    fn token_bytes(&self, id: u32) -> &[u8];

    /// Whether the token is a signal between program and model and never text.
    fn is_control(&self, id: u32) -> bool;

    /// Whether the token ends an answer.
    fn is_end_of_generation(&self, id: u32) -> bool;

    /// Splits text the way the model was trained to see it, without adding anything.
    ///
    /// `None` where that is not known. A constraint then forces text byte by byte,
    /// in whichever tokens the model likes, instead of in the canonical ones.
    fn tokenize(&self, text: &[u8]) -> Option<Vec<u32>> {
        let _ = text;
        None
    }
}

impl Vocabulary for mynah_model::tokenizer::Tokenizer {
    fn vocab_len(&self) -> usize {
        self.vocab_len()
    }

    fn token_bytes(&self, id: u32) -> &[u8] {
        // A control token has no text, but a grammar and a stop string must be able to name it.
        if self.is_control(id) { self.token_name(id) } else { self.token_bytes(id) }
    }

    fn is_control(&self, id: u32) -> bool {
        self.is_control(id)
    }

    fn is_end_of_generation(&self, id: u32) -> bool {
        self.is_end_of_generation(id)
    }

    fn tokenize(&self, text: &[u8]) -> Option<Vec<u32>> {
        let text = std::str::from_utf8(text).ok()?;
        Some(self.encode(text, mynah_model::tokenizer::SpecialText::AsText))
    }
}
