//! The tokens: what each appends to the text, of which kind it is, and which text it is found by.

use super::alphabet::{self, Alphabet};
use super::arena::{Arena, IdTable};
use super::error::TokenizerError;

/// What a token is for. The numbers are those of `tokenizer.ggml.token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TokenKind {
    /// Ordinary text.
    Normal = 1,
    /// Stands for text that no other token can say.
    Unknown = 2,
    /// Says something about the text, such as where a turn ends; has no text of its own.
    Control = 3,
    /// Text that is cut out before anything else is tokenized.
    UserDefined = 4,
    /// Fills a hole in the numbering; never produced.
    Unused = 5,
    /// One byte.
    Byte = 6,
}

impl TokenKind {
    /// The kind with this number; a number without meaning is [`TokenKind::Unused`].
    pub(crate) fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            6 => Self::Byte,
            _ => Self::Unused,
        }
    }
}

/// The tokens of a model by their ids.
#[derive(Clone, Debug)]
pub(crate) struct Vocab {
    /// What each token is written as. `None` if that follows from `bytes` (byte-level).
    texts: Option<Arena>,
    /// What each token appends: its own text for a control token.
    bytes: Arena,
    kinds: Vec<TokenKind>,
    /// Finds the tokens that ordinary text may become, so never a control token.
    table: IdTable,
    /// The token of each single byte.
    byte_ids: [u32; 256],
    /// Whether no two tokens in `table` have the same key.
    unique: bool,
}

/// In place of a token's id where there is none.
pub(crate) const NO_ID: u32 = u32::MAX;

impl Vocab {
    /// Takes the texts of all tokens in order of their ids, and as many kinds.
    pub(crate) fn new<'a>(
        tokens: impl ExactSizeIterator<Item = &'a str>,
        kinds: Vec<TokenKind>,
        alphabet: Alphabet,
        n_bytes: usize,
    ) -> Result<Self, TokenizerError> {
        let n = tokens.len();
        if n > i32::MAX as usize || n != kinds.len() {
            return Err(TokenizerError::TooLarge { tokens: n });
        }
        let too_large = || TokenizerError::TooLarge { tokens: n };
        let mut vocab = Self {
            texts: (alphabet == Alphabet::Spaced).then(|| Arena::with_capacity(n, n_bytes)),
            bytes: Arena::with_capacity(n, n_bytes),
            kinds,
            table: IdTable::with_capacity(n),
            byte_ids: [NO_ID; 256],
            unique: true,
        };
        for (id, text) in (0..).zip(tokens) {
            match alphabet {
                Alphabet::Bytes => vocab.push_byte_level(id, text),
                Alphabet::Spaced => vocab.push_spaced(id, text),
            }
            .ok_or_else(too_large)?;
        }
        Ok(vocab)
    }

    /// Adds a token of a byte-level vocabulary.
    fn push_byte_level(&mut self, id: u32, text: &str) -> Option<()> {
        let kind = self.kinds[id as usize];
        let mut findable = false;
        self.bytes.push_with(|out| {
            let start = out.len();
            findable = alphabet::decode_bytes(text, out);
            if kind != TokenKind::Normal && out[start..] != *text.as_bytes() {
                // Such a token's text is what it says, letter by letter.
                out.truncate(start);
                findable = false;
            }
            if !findable {
                out.extend_from_slice(text.as_bytes());
            }
        })?;
        let bytes = self.bytes.get(id);
        let ordinary = matches!(kind, TokenKind::Normal | TokenKind::UserDefined);
        if !findable || !ordinary || bytes.is_empty() {
            return Some(());
        }
        if let ([byte], TokenKind::Normal) = (bytes, kind) {
            let slot = &mut self.byte_ids[*byte as usize];
            *slot = (*slot).min(id);
        }
        self.unique &= self.table.insert(&self.bytes, id);
        Some(())
    }

    /// Adds a token of a vocabulary that writes spaces as U+2581.
    fn push_spaced(&mut self, id: u32, text: &str) -> Option<()> {
        let kind = self.kinds[id as usize];
        let texts = self.texts.as_mut()?;
        texts.push_with(|out| out.extend_from_slice(text.as_bytes()))?;
        let byte = (kind == TokenKind::Byte).then(|| alphabet::parse_byte_token(text)).flatten();
        self.bytes.push_with(|out| match (byte, kind) {
            (Some(byte), _) => out.push(byte),
            (None, TokenKind::Normal | TokenKind::UserDefined) => {
                alphabet::unescape_spaces(text, out);
            }
            (None, _) => out.extend_from_slice(text.as_bytes()),
        })?;
        if let Some(byte) = byte {
            let slot = &mut self.byte_ids[byte as usize];
            *slot = (*slot).min(id);
        }
        // The text that is looked up has no spaces, so a token that has one cannot be found.
        let ordinary = matches!(kind, TokenKind::Normal | TokenKind::UserDefined);
        if ordinary && !text.is_empty() && !text.contains(' ') {
            self.unique &= self.table.insert(texts, id);
        }
        Some(())
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Of which kind a token is; [`TokenKind::Unused`] if there is none with this id.
    pub(crate) fn kind(&self, id: u32) -> TokenKind {
        self.kinds.get(id as usize).copied().unwrap_or(TokenKind::Unused)
    }

    /// What a token appends to the text.
    pub(crate) fn bytes(&self, id: u32) -> &[u8] {
        match self.kind(id) {
            TokenKind::Normal | TokenKind::UserDefined | TokenKind::Byte => self.bytes.get(id),
            TokenKind::Unknown | TokenKind::Control | TokenKind::Unused => &[],
        }
    }

    /// What a token is found by: bytes for a byte-level vocabulary, otherwise text with U+2581.
    /// For a control token this is its own text.
    pub(crate) fn key(&self, id: u32) -> &[u8] {
        self.keys().get(id)
    }

    fn keys(&self) -> &Arena {
        self.texts.as_ref().unwrap_or(&self.bytes)
    }

    /// The token with this key, unless it is one that ordinary text must not become.
    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        self.table.find(self.keys(), key)
    }

    /// Whether no two tokens that can be found have the same key.
    pub(crate) fn keys_are_unique(&self) -> bool {
        self.unique
    }

    /// The token of a single byte.
    pub(crate) fn byte_id(&self, byte: u8) -> Option<u32> {
        let id = self.byte_ids[byte as usize];
        (id != NO_ID).then_some(id)
    }

    /// Whether every byte has a token.
    pub(crate) fn has_all_bytes(&self) -> bool {
        self.byte_ids.iter().all(|&id| id != NO_ID)
    }

    /// Whether the texts are written as bytes.
    pub(crate) fn alphabet(&self) -> Alphabet {
        if self.texts.is_some() { Alphabet::Spaced } else { Alphabet::Bytes }
    }

    /// Appends tokens that nothing produces, until there are `n`.
    pub(crate) fn pad_to(&mut self, n: usize) -> Result<(), TokenizerError> {
        if n > i32::MAX as usize {
            return Err(TokenizerError::TooLarge { tokens: n });
        }
        while self.len() < n {
            let text = format!("[PAD{}]", self.len());
            for arena in self.texts.iter_mut().chain([&mut self.bytes]) {
                let pushed = arena.push_with(|out| out.extend_from_slice(text.as_bytes()));
                pushed.ok_or(TokenizerError::TooLarge { tokens: n })?;
            }
            self.kinds.push(TokenKind::Unused);
        }
        Ok(())
    }

    /// Whether an ordinary token's text could be read as bytes.
    pub(crate) fn is_byte_level(&self, id: u32) -> bool {
        let text = std::str::from_utf8(self.key(id)).ok();
        // A text that could not be read is kept as it was written, and cannot be found.
        self.find(self.key(id)).is_some()
            || text.is_none_or(|text| text.chars().all(|c| alphabet::byte_of_char(c).is_some()))
    }
}
