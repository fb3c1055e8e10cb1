//! A tokenizer from Hugging Face's `tokenizer.json` and the files beside it.

mod components;
mod file;

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use super::added::{AddedTokens, Manner};
use super::alphabet::{self, Alphabet, LOW_LINE};
use super::bpe::{Bpe, Fallback};
use super::normalize::Normalizer;
use super::pretokenize::PreTokenizer;
use super::scored;
use super::special::Known;
use super::unigram::Unigram;
use super::vocab::{TokenKind, Vocab};
use super::wordpiece::{DEFAULT_MAX_CHARS, WordPiece};
use super::words::Model;
use super::{SpecialIds, Tokenizer, TokenizerError};
use file::{AddedToken, ConfigFile, Entries, GenerationFile, MergeEntry, ModelPart, TokenizerFile};

/// The contents of the files that say how a model tokenizes.
#[derive(Clone, Copy, Debug, Default)]
pub struct HuggingFaceFiles<'a> {
    /// `tokenizer.json`.
    pub tokenizer: &'a [u8],
    /// `tokenizer_config.json`: which tokens have a task.
    pub config: Option<&'a [u8]>,
    /// `special_tokens_map.json`: the same, where the one above does not say.
    pub special_tokens_map: Option<&'a [u8]>,
    /// `generation_config.json`: which tokens end an answer.
    pub generation_config: Option<&'a [u8]>,
}

impl Tokenizer {
    /// Makes a tokenizer from Hugging Face's files.
    ///
    /// Tokens that look like control tokens (`<|…|>`) are such even if the file does not mark them
    /// as special, so that nobody can write them in a message.
    ///
    /// # Errors
    /// If a file is not JSON of the expected shape, or asks for something that is not implemented;
    /// the error names the part.
    pub fn from_tokenizer_json(files: &HuggingFaceFiles<'_>) -> Result<Self, TokenizerError> {
        let file: TokenizerFile<'_> = parse("tokenizer.json", files.tokenizer)?;
        let config: ConfigFile = parse_optional("tokenizer_config.json", files.config)?;
        let map: ConfigFile = parse_optional("special_tokens_map.json", files.special_tokens_map)?;
        let generation: GenerationFile =
            parse_optional("generation_config.json", files.generation_config)?;

        let (steps, byte_level) = components::read_pre_tokenizer(&file.pre_tokenizer)?;
        let decoder = components::read_decoder(&file.decoder);
        let normalizer = Normalizer::new(components::read_normalizer(&file.normalizer)?);
        let family = family_of(&file.model)?;
        let byte_level = family == Family::Bpe && (byte_level || decoder.byte_level);
        let alphabet = if byte_level { Alphabet::Bytes } else { Alphabet::Spaced };

        let mut list = TokenList::new(&file, family)?;
        let mut special = list.special_ids(&config, &map, &file.model);
        let mut ends = list.settle(&mut special, family);
        if let Some(eos) = generation.eos_token_id {
            ends.extend(eos.ids().iter().filter(|&&id| (id as usize) < list.texts.len()));
            ends.sort_unstable();
            ends.dedup();
        }
        let ends_of_text = read_ends_of_text(&file, &config, &special, list.texts.len())?;
        let (manners, normalized) = read_manners(&file.added_tokens, &list.kinds, &normalizer);
        let TokenList { texts, kinds, scores } = list;
        let n_bytes = texts.iter().map(|text| text.len()).sum();
        let vocab = Vocab::new(texts.iter().map(AsRef::as_ref), kinds, alphabet, n_bytes)?;
        drop(texts);
        let model = read_model(&file.model, family, &vocab, scores, &special)?;
        Ok(Self {
            added: AddedTokens::new(&vocab, manners, normalized),
            independent_words: alphabet == Alphabet::Spaced
                && family != Family::WordPiece
                && scored::words_are_independent(&vocab),
            adds_space: decoder.strips_space,
            normalizer,
            splitter: PreTokenizer::new(steps),
            vocab,
            model,
            special,
            ends,
            prefix: ends_of_text.0,
            suffix: ends_of_text.1,
        })
    }
}

fn parse<'a, T: Deserialize<'a>>(file: &'static str, bytes: &'a [u8]) -> Result<T, TokenizerError> {
    serde_json::from_slice(bytes).map_err(|source| TokenizerError::Json { file, source })
}

fn parse_optional<'a, T: Deserialize<'a> + Default>(
    file: &'static str,
    bytes: Option<&'a [u8]>,
) -> Result<T, TokenizerError> {
    bytes.map_or_else(|| Ok(T::default()), |bytes| parse(file, bytes))
}

/// How words are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Bpe,
    Unigram,
    WordPiece,
}

/// Old files do not name the type; it is known by the fields.
fn family_of(model: &ModelPart<'_>) -> Result<Family, TokenizerError> {
    match (model.kind.as_deref(), &model.vocab) {
        (Some("BPE"), Entries::Ids(_)) => Ok(Family::Bpe),
        (Some("WordPiece"), Entries::Ids(_)) => Ok(Family::WordPiece),
        (Some("Unigram") | None, Entries::Scores(_)) => Ok(Family::Unigram),
        (None, Entries::Ids(_)) if !model.merges.is_empty() => Ok(Family::Bpe),
        (None, Entries::Ids(_)) if model.max_input_chars_per_word.is_some() => {
            Ok(Family::WordPiece)
        }
        (kind, _) => Err(TokenizerError::Unsupported {
            part: "model".to_owned(),
            value: kind.unwrap_or("no type").to_owned(),
        }),
    }
}

/// The tokens in order of their ids.
struct TokenList<'a> {
    texts: Vec<Cow<'a, str>>,
    kinds: Vec<TokenKind>,
    scores: Vec<f32>,
}

impl<'a> TokenList<'a> {
    fn new(file: &'a TokenizerFile<'a>, family: Family) -> Result<Self, TokenizerError> {
        let added = &file.added_tokens;
        let n_model = match &file.model.vocab {
            Entries::Ids(ids) => ids.iter().map(|&(_, id)| id as usize + 1).max().unwrap_or(0),
            Entries::Scores(scores) => scores.len(),
        };
        let n_entries = match &file.model.vocab {
            Entries::Ids(ids) => ids.len(),
            Entries::Scores(scores) => scores.len(),
        } + added.len();
        let n = added.iter().map(|token| token.id as usize + 1).fold(n_model, usize::max);
        if n_entries == 0 {
            return Err(TokenizerError::Empty { key: "vocab" });
        }
        // A vocabulary may have holes, but no more than tokens.
        if n > n_entries * 2 + 4096 {
            let key = "tokenizer.json".to_owned();
            return Err(TokenizerError::IdOutOfRange { key, id: n as u64 - 1, tokens: n_entries });
        }
        let mut list = Self {
            texts: vec![Cow::Borrowed(""); n],
            kinds: vec![TokenKind::Unused; n],
            scores: Vec::new(),
        };
        match &file.model.vocab {
            Entries::Ids(ids) => {
                for (text, id) in ids {
                    list.set(*id, Cow::Borrowed(text), TokenKind::Normal);
                }
            }
            Entries::Scores(scores) => {
                for (id, (text, score)) in (0..).zip(scores) {
                    if score.is_nan() {
                        return Err(TokenizerError::ScoreNotANumber { id });
                    }
                    list.set(id, Cow::Borrowed(text), TokenKind::Normal);
                    list.scores.push(*score as f32);
                }
            }
        }
        list.scores.resize(if list.scores.is_empty() { 0 } else { n }, 0.0);
        list.finish(file, family);
        Ok(list)
    }

    fn set(&mut self, id: u32, text: Cow<'a, str>, kind: TokenKind) {
        self.texts[id as usize] = text;
        self.kinds[id as usize] = kind;
    }

    /// Marks what is not ordinary text, and writes WordPiece's tokens as GGUF does.
    fn finish(&mut self, file: &'a TokenizerFile<'a>, family: Family) {
        if file.model.byte_fallback == Some(true) {
            for (text, kind) in self.texts.iter().zip(&mut self.kinds) {
                if alphabet::parse_byte_token(text).is_some() {
                    *kind = TokenKind::Byte;
                }
            }
        }
        for token in &file.added_tokens {
            let is_control = token.special || looks_special(&token.content);
            let kind = if is_control { TokenKind::Control } else { TokenKind::UserDefined };
            self.set(token.id, Cow::Borrowed(&token.content), kind);
        }
        for (id, (text, kind)) in self.texts.iter_mut().zip(&self.kinds).enumerate() {
            if *kind == TokenKind::Unused {
                *text = Cow::Owned(format!("[PAD{id}]"));
            }
        }
        if family == Family::WordPiece {
            let prefix = file.model.continuing_subword_prefix.as_deref().unwrap_or("##");
            for (text, kind) in self.texts.iter_mut().zip(&self.kinds) {
                if *kind == TokenKind::Normal {
                    *text = Cow::Owned(match text.strip_prefix(prefix) {
                        Some(rest) => rest.to_owned(),
                        None => format!("{LOW_LINE}{text}"),
                    });
                }
            }
        }
    }

    /// Looks up the tokens with a task.
    fn special_ids(
        &self,
        config: &ConfigFile,
        map: &ConfigFile,
        model: &ModelPart<'_>,
    ) -> SpecialIds {
        let name = |get: fn(&ConfigFile) -> Option<&file::TokenName>| {
            get(config).and_then(|name| name.text()).or_else(|| get(map)?.text())
        };
        let names = [
            name(|file| file.bos_token.as_ref()),
            name(|file| file.eos_token.as_ref()),
            model.unk_token.as_deref().or_else(|| name(|file| file.unk_token.as_ref())),
            name(|file| file.sep_token.as_ref()),
            name(|file| file.pad_token.as_ref()),
            name(|file| file.cls_token.as_ref()),
            name(|file| file.mask_token.as_ref()),
        ];
        let mut ids: HashMap<&str, u32> = HashMap::new();
        for (id, text) in (0..).zip(&self.texts) {
            if names.contains(&Some(text.as_ref())) {
                ids.entry(text).or_insert(id);
            }
        }
        let [bos, eos, unk, sep, pad, cls, mask] =
            names.map(|name| name.and_then(|name| ids.get(name).copied()));
        let by_number = model.unk_id.and_then(|id| u32::try_from(id).ok());
        let by_number = by_number.filter(|&id| (id as usize) < self.texts.len());
        let unk = by_number.or(unk);
        SpecialIds { bos, eos, unk, sep, pad, cls, mask, ..SpecialIds::default() }
    }

    /// Finds what ends an answer, and sets the unknown token's kind.
    fn settle(&mut self, special: &mut SpecialIds, family: Family) -> Vec<u32> {
        let mut known = Known::default();
        for ((id, text), kind) in (0..).zip(&self.texts).zip(&mut self.kinds) {
            known.look_at(id, text, kind);
        }
        let ends = known.settle(special, &mut self.kinds);
        if let Some(unk) = special.unk {
            let has_task = special.bos == Some(unk) || ends.contains(&unk);
            if !has_task && (family != Family::Bpe || self.kinds[unk as usize] != TokenKind::Normal)
            {
                self.kinds[unk as usize] = TokenKind::Unknown;
            }
        }
        ends
    }
}

/// Whether a token that is not marked as special is one all the same.
fn looks_special(text: &str) -> bool {
    let within = |open: &str, close: &str| text.starts_with(open) && text.ends_with(close);
    within("<|", "|>")
        || within("<｜", "｜>")
        || within("<unused", ">")
        || matches!(text, "<pad>" | "<mask>")
}

/// What tokens do to the text around them, and texts of tokens, both in order of their ids.
type Manners = (Vec<(u32, Manner)>, Vec<(u32, String)>);

/// What tokens do to the text around them, and which are searched for in normalized text.
fn read_manners(added: &[AddedToken], kinds: &[TokenKind], normalizer: &Normalizer) -> Manners {
    let mut manners = Vec::new();
    let mut normalized = Vec::new();
    for token in added {
        let manner = Manner {
            left_strip: token.lstrip,
            right_strip: token.rstrip,
            single_word: token.single_word,
        };
        if manner != Manner::default() {
            manners.push((token.id, manner));
        }
        let changes = !normalizer.changes().is_empty();
        if changes && token.normalized && kinds[token.id as usize] == TokenKind::UserDefined {
            normalized.push((token.id, normalizer.apply(&token.content, false).into_owned()));
        }
    }
    manners.sort_by_key(|(id, _)| *id);
    normalized.sort_by_key(|(id, _)| *id);
    (manners, normalized)
}

/// What is put before and after a text.
fn read_ends_of_text(
    file: &TokenizerFile<'_>,
    config: &ConfigFile,
    special: &SpecialIds,
    n: usize,
) -> Result<(Vec<u32>, Vec<u32>), TokenizerError> {
    let (mut prefix, mut suffix) = components::read_post_processor(&file.post_processor)?;
    if let Some(&id) = prefix.iter().chain(&suffix).find(|&&id| id as usize >= n) {
        let key = "post_processor".to_owned();
        return Err(TokenizerError::IdOutOfRange { key, id: id.into(), tokens: n });
    }
    let told = [
        (&mut prefix, config.add_bos_token, special.bos),
        (&mut suffix, config.add_eos_token, special.eos),
    ];
    for (ids, add, id) in told {
        match (add, id) {
            (Some(true), Some(id)) if !ids.contains(&id) => ids.push(id),
            (Some(false), Some(id)) => ids.retain(|&other| other != id),
            _ => {}
        }
    }
    Ok((prefix, suffix))
}

/// How words become tokens.
fn read_model(
    part: &ModelPart<'_>,
    family: Family,
    vocab: &Vocab,
    scores: Vec<f32>,
    special: &SpecialIds,
) -> Result<Model, TokenizerError> {
    let unsupported = |value: String| TokenizerError::Unsupported { part: "model".into(), value };
    let unk = super::gguf::plain_unk(vocab, special);
    match family {
        Family::Unigram => {
            let byte_fallback = part.byte_fallback == Some(true);
            Ok(Model::Unigram(Unigram::new(vocab, scores, unk, byte_fallback)))
        }
        Family::WordPiece => {
            let unk = unk.ok_or(TokenizerError::NoFallback)?;
            let max_chars = part.max_input_chars_per_word.unwrap_or(DEFAULT_MAX_CHARS);
            Ok(Model::WordPiece(WordPiece::new(vocab, unk, max_chars)))
        }
        Family::Bpe => {
            for (name, affix) in [
                ("continuing_subword_prefix", &part.continuing_subword_prefix),
                ("end_of_word_suffix", &part.end_of_word_suffix),
            ] {
                if let Some(affix) = affix.as_ref().filter(|affix| !affix.is_empty()) {
                    return Err(unsupported(format!("{name} {affix}")));
                }
            }
            if let Some(dropout) = part.dropout.filter(|&dropout| dropout != 0.0) {
                return Err(unsupported(format!("dropout {dropout}")));
            }
            let fallback = match (part.byte_fallback == Some(true), unk) {
                (true, unk) => Fallback::Bytes { unk },
                (false, Some(unk)) => {
                    Fallback::Unknown { unk, fuse: part.fuse_unk.unwrap_or(false) }
                }
                (false, None) => Fallback::Drop,
            };
            let merges = part.merges.iter().map(MergeEntry::sides);
            let whole_words = part.ignore_merges.unwrap_or(false);
            Ok(Model::Bpe(Bpe::new(vocab, merges, whole_words, fallback)))
        }
    }
}
