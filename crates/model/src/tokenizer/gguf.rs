//! A tokenizer from the `tokenizer.ggml.*` keys of a GGUF file.
//!
//! The keys and what is assumed where one is absent are llama.cpp's.

use super::added::{AddedTokens, Manner};
use super::alphabet::Alphabet;
use super::bpe::{self, Bpe, Fallback};
use super::charsmap::CharsMap;
use super::normalize::{Bert, Change, Normalizer, Spaces};
use super::pretokenize::split::WHITE_SPACE;
use super::pretokenize::{Behavior, Pattern, PreTokenizer, Prefix, Step, patterns};
use super::scored::{self, Scored};
use super::special::Known;
use super::unigram::Unigram;
use super::vocab::{TokenKind, Vocab};
use super::wordpiece::{DEFAULT_MAX_CHARS, WordPiece};
use super::words::Model;
use super::{SpecialIds, Tokenizer, TokenizerError};
use crate::checkpoint::{Metadata, Strings, Value};

pub(super) const MODEL: &str = "tokenizer.ggml.model";
pub(super) const PRE: &str = "tokenizer.ggml.pre";
pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(super) const SCORES: &str = "tokenizer.ggml.scores";
pub(super) const ENDS: &str = "tokenizer.ggml.eos_token_ids";
pub(super) const KINDS: &str = "tokenizer.ggml.token_type";
pub(super) const MERGES: &str = "tokenizer.ggml.merges";
pub(super) const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
pub(super) const ADD_EOS: &str = "tokenizer.ggml.add_eos_token";
pub(super) const ADD_SEP: &str = "tokenizer.ggml.add_sep_token";
pub(super) const ADD_SPACE: &str = "tokenizer.ggml.add_space_prefix";
pub(super) const COLLAPSE: &str = "tokenizer.ggml.remove_extra_whitespaces";
pub(super) const CHARSMAP: &str = "tokenizer.ggml.precompiled_charsmap";
pub(super) const LOWERCASE: &str = "tokenizer.ggml.normalizer.lowercase";
pub(super) const STRIP_ACCENTS: &str = "tokenizer.ggml.normalizer.strip_accents";

/// The five ways in which GGUF's vocabularies are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `gpt2`: merges.
    Merges,
    /// `gemma4`: merges over characters.
    Gemma4,
    /// `llama`: SentencePiece's byte-pair encoding.
    Scored,
    /// `t5`: SentencePiece's unigram model.
    Unigram,
    /// `bert`: WordPiece.
    WordPiece,
}

impl Family {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "gpt2" => Self::Merges,
            "gemma4" => Self::Gemma4,
            "llama" => Self::Scored,
            "t5" => Self::Unigram,
            "bert" => Self::WordPiece,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Merges => "gpt2",
            Self::Gemma4 => "gemma4",
            Self::Scored => "llama",
            Self::Unigram => "t5",
            Self::WordPiece => "bert",
        }
    }

    /// The tokens that have a task where the file does not say.
    fn default_ids(self, n: usize) -> SpecialIds {
        let there = |id: u32| ((id as usize) < n).then_some(id);
        match self {
            Self::Merges | Self::Gemma4 => SpecialIds::default(),
            Self::Scored => {
                SpecialIds { bos: there(1), eos: there(2), unk: there(0), ..SpecialIds::default() }
            }
            Self::Unigram => {
                SpecialIds { eos: there(1), unk: there(2), pad: there(0), ..SpecialIds::default() }
            }
            Self::WordPiece => SpecialIds {
                bos: there(101),
                unk: there(100),
                sep: there(102),
                pad: there(0),
                mask: there(103),
                ..SpecialIds::default()
            },
        }
    }
}

impl Tokenizer {
    /// Makes a tokenizer from a GGUF file's metadata.
    ///
    /// # Errors
    /// If a key is missing or of another type, lists of one length differ in theirs, a token is
    /// named that does not exist, or the vocabulary is of a kind that is not implemented.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let name = metadata.str(MODEL)?;
        let family = Family::from_name(name)
            .ok_or_else(|| TokenizerError::UnknownModel { name: name.to_owned() })?;
        let tokens = metadata.strings(TOKENS)?;
        if tokens.is_empty() {
            return Err(TokenizerError::Empty { key: TOKENS });
        }
        let named = read_pre_tokenizer(metadata, family)?;
        let mut special = read_ids(metadata, family, tokens.len())?;
        let (kinds, ends) = read_kinds(metadata, family, tokens, &mut special)?;
        let manners = read_manners(metadata, tokens, &kinds)?;
        let alphabet = named.map_or(Alphabet::Spaced, |named| named.alphabet);
        let vocab = Vocab::new(tokens.iter(), kinds, alphabet, tokens.as_parts().0.len())?;
        let adds_space = match family {
            Family::Scored => metadata.optional_bool(ADD_SPACE)?.unwrap_or(true),
            Family::Unigram => metadata.optional_bool(ADD_SPACE)?.unwrap_or(false),
            _ => false,
        };
        let model = read_model(metadata, family, named, &vocab, &special)?;
        let independent_words = alphabet == Alphabet::Spaced
            && family != Family::WordPiece
            && scored::words_are_independent(&vocab);
        let (prefix, suffix) = read_ends(metadata, family, named, &special)?;
        Ok(Self {
            added: AddedTokens::new(&vocab, manners, Vec::new()),
            normalizer: read_normalizer(metadata, family, alphabet, adds_space)?,
            splitter: match (named, family) {
                (Some(named), _) => named.pre_tokenizer(),
                (None, Family::WordPiece) => bert_pre_tokenizer(),
                _ => PreTokenizer::default(),
            },
            independent_words,
            vocab,
            model,
            special,
            ends,
            prefix,
            suffix,
            adds_space,
        })
    }
}

/// The pre-tokenizer that a file with merges names.
fn read_pre_tokenizer(
    metadata: &Metadata,
    family: Family,
) -> Result<Option<&'static patterns::Named>, TokenizerError> {
    let name = match family {
        Family::Merges => metadata.optional_str(PRE)?.filter(|name| !name.is_empty()),
        Family::Gemma4 => Some("gemma4"),
        _ => return Ok(None),
    };
    let name = name.unwrap_or("default");
    let unknown = || TokenizerError::UnknownPreTokenizer { name: name.to_owned() };
    patterns::named(name).map(Some).ok_or_else(unknown)
}

/// The keys that name the tokens with a task, and where their ids are kept.
pub(super) type IdKey = (&'static str, fn(&mut SpecialIds) -> &mut Option<u32>);

/// In order of their importance: of two keys for one task the first is believed.
pub(super) const ID_KEYS: [IdKey; 18] = [
    ("tokenizer.ggml.bos_token_id", |ids| &mut ids.bos),
    ("tokenizer.ggml.eos_token_id", |ids| &mut ids.eos),
    ("tokenizer.ggml.eot_token_id", |ids| &mut ids.eot),
    ("tokenizer.ggml.eom_token_id", |ids| &mut ids.eom),
    ("tokenizer.ggml.unknown_token_id", |ids| &mut ids.unk),
    ("tokenizer.ggml.seperator_token_id", |ids| &mut ids.sep),
    ("tokenizer.ggml.padding_token_id", |ids| &mut ids.pad),
    ("tokenizer.ggml.cls_token_id", |ids| &mut ids.cls),
    ("tokenizer.ggml.mask_token_id", |ids| &mut ids.mask),
    ("tokenizer.ggml.fim_pre_token_id", |ids| &mut ids.fim_prefix),
    ("tokenizer.ggml.fim_suf_token_id", |ids| &mut ids.fim_suffix),
    ("tokenizer.ggml.fim_mid_token_id", |ids| &mut ids.fim_middle),
    ("tokenizer.ggml.fim_pad_token_id", |ids| &mut ids.fim_pad),
    ("tokenizer.ggml.fim_rep_token_id", |ids| &mut ids.fim_repo),
    ("tokenizer.ggml.fim_sep_token_id", |ids| &mut ids.fim_file),
    // The names that these had before.
    ("tokenizer.ggml.prefix_token_id", |ids| &mut ids.fim_prefix),
    ("tokenizer.ggml.suffix_token_id", |ids| &mut ids.fim_suffix),
    ("tokenizer.ggml.middle_token_id", |ids| &mut ids.fim_middle),
];

/// The tokens with a task, as the file says or as is usual for its family.
fn read_ids(metadata: &Metadata, family: Family, n: usize) -> Result<SpecialIds, TokenizerError> {
    let mut ids = SpecialIds::default();
    for (key, slot) in ID_KEYS {
        let Some(value) = metadata.get(key) else { continue };
        // Some writers say "none" as -1, which in 32 bits is the largest number.
        if matches!(value.as_integer(), Some(-1 | 0xffff_ffff)) {
            continue;
        }
        let id = metadata.u32(key)?;
        if id as usize >= n {
            let key = key.to_owned();
            return Err(TokenizerError::IdOutOfRange { key, id: id.into(), tokens: n });
        }
        slot(&mut ids).get_or_insert(id);
    }
    if family == Family::WordPiece {
        ids.bos = ids.bos.or(ids.cls);
    }
    let mut usual = family.default_ids(n);
    for (_, slot) in ID_KEYS {
        let usual = *slot(&mut usual);
        let id = slot(&mut ids);
        *id = id.or(usual);
    }
    Ok(ids)
}

/// Of which kinds the tokens are, and which of them end an answer.
fn read_kinds(
    metadata: &Metadata,
    family: Family,
    tokens: &Strings,
    special: &mut SpecialIds,
) -> Result<(Vec<TokenKind>, Vec<u32>), TokenizerError> {
    let n = tokens.len();
    let mut kinds: Vec<TokenKind> = match metadata.get(KINDS) {
        None => vec![TokenKind::Normal; n],
        Some(Value::I32s(kinds)) => {
            kinds.iter().take(n).map(|&kind| TokenKind::from_number(kind.into())).collect()
        }
        Some(value) => {
            let numbers = value.as_integers().unwrap_or_default();
            let kind = |&number: &i128| TokenKind::from_number(number as i64);
            numbers.iter().take(n).map(kind).collect()
        }
    };
    if kinds.len() < n {
        return Err(TokenizerError::LengthMismatch { key: KINDS, expected: n, got: kinds.len() });
    }
    if metadata.get(KINDS).is_none() {
        let named = [special.bos, special.eos, special.eot, special.pad, special.sep, special.cls];
        for id in named.into_iter().flatten() {
            kinds[id as usize] = TokenKind::Control;
        }
    }
    let mut known = Known::default();
    for ((id, text), kind) in (0..).zip(tokens).zip(&mut kinds) {
        known.look_at(id, text, kind);
    }
    let mut ends = known.settle(special, &mut kinds);
    ends.extend(read_more_ends(metadata, n)?);
    ends.sort_unstable();
    ends.dedup();
    // Where text can become the unknown token, that token is none that controls anything.
    if let (false, Some(unk)) = (matches!(family, Family::Merges), special.unk)
        && special.bos != Some(unk)
        && !ends.contains(&unk)
    {
        kinds[unk as usize] = TokenKind::Unknown;
    }
    Ok((kinds, ends))
}

/// The tokens that end an answer besides those that have another task, where a file lists them.
fn read_more_ends(metadata: &Metadata, n: usize) -> Result<Vec<u32>, TokenizerError> {
    let listed = metadata.get(ENDS).and_then(Value::as_integers).unwrap_or_default();
    let within = |id: i128| match u32::try_from(id) {
        Ok(id) if (id as usize) < n => Ok(id),
        _ => {
            let id = u64::try_from(id).unwrap_or(u64::MAX);
            Err(TokenizerError::IdOutOfRange { key: ENDS.to_owned(), id, tokens: n })
        }
    };
    listed.into_iter().map(within).collect()
}

/// The unknown token, unless it is a control token.
pub(super) fn plain_unk(vocab: &Vocab, special: &SpecialIds) -> Option<u32> {
    special.unk.filter(|&unk| vocab.kind(unk) != TokenKind::Control)
}

/// What tokens do to white space around them, which GGUF leaves to be known by a model's name.
fn read_manners(
    metadata: &Metadata,
    tokens: &Strings,
    kinds: &[TokenKind],
) -> Result<Vec<(u32, Manner)>, TokenizerError> {
    let name = metadata.optional_str("general.name")?.unwrap_or_default().to_lowercase();
    let architecture = metadata.optional_str("general.architecture")?.unwrap_or_default();
    let pre = metadata.optional_str(PRE)?.unwrap_or_default();
    let left = Manner { left_strip: true, ..Manner::default() };
    let right = Manner { right_strip: true, ..Manner::default() };
    let with_text = |wanted: &str| {
        (0..).zip(tokens).filter(|(_, text)| *text == wanted).map(|(id, _)| (id, left)).collect()
    };
    if ["jina-v2-de", "jina-v2-es", "jina-v2-code"].contains(&pre)
        || ["nomic-bert-moe", "jina-bert-v3"].contains(&architecture)
    {
        return Ok(with_text("<mask>"));
    }
    if name.contains("modern-bert") {
        return Ok(with_text("[MASK]"));
    }
    if !name.contains("phi-3") && !name.contains("phi3") {
        return Ok(Vec::new());
    }
    let strips = |(_, (text, kind)): &(u32, (&str, &TokenKind))| {
        let is_cut =
            matches!(kind, TokenKind::Control | TokenKind::UserDefined | TokenKind::Unknown);
        is_cut && !["<unk>", "<s>", "<|endoftext|>"].contains(text)
    };
    let all = (0..).zip(tokens.iter().zip(kinds));
    Ok(all.filter(strips).map(|(id, _)| (id, right)).collect())
}

/// How words become tokens.
fn read_model(
    metadata: &Metadata,
    family: Family,
    named: Option<&patterns::Named>,
    vocab: &Vocab,
    special: &SpecialIds,
) -> Result<Model, TokenizerError> {
    let unk = plain_unk(vocab, special);
    Ok(match family {
        Family::Merges | Family::Gemma4 => {
            let merges = metadata.strings(MERGES)?.iter().map(bpe::split_merge);
            let whole_words = named.is_some_and(|named| named.whole_words);
            let fallback = match vocab.alphabet() {
                Alphabet::Bytes => Fallback::Drop,
                Alphabet::Spaced => Fallback::Bytes { unk },
            };
            Model::Bpe(Bpe::new(vocab, merges, whole_words, fallback))
        }
        Family::Scored if unk.is_none() && !vocab.has_all_bytes() => {
            return Err(TokenizerError::NoFallback);
        }
        Family::Scored => Model::Scored(Scored::new(read_scores(metadata, vocab.len())?, unk)),
        Family::Unigram => {
            let unk = unk.ok_or(TokenizerError::NoFallback)?;
            let scores = read_scores(metadata, vocab.len())?;
            Model::Unigram(Unigram::new(vocab, scores, Some(unk), false))
        }
        Family::WordPiece => {
            let unk = unk.ok_or(TokenizerError::NoFallback)?;
            Model::WordPiece(WordPiece::new(vocab, unk, DEFAULT_MAX_CHARS))
        }
    })
}

/// One score for each token; zeros if the file has none.
fn read_scores(metadata: &Metadata, n: usize) -> Result<Vec<f32>, TokenizerError> {
    let mut scores = match metadata.get(SCORES) {
        None => vec![0.0; n],
        Some(Value::I32s(scores)) => scores.iter().map(|&score| score as f32).collect(),
        Some(_) => metadata.f32s(SCORES)?.to_vec(),
    };
    if scores.len() < n {
        return Err(TokenizerError::LengthMismatch { key: SCORES, expected: n, got: scores.len() });
    }
    scores.truncate(n);
    match scores.iter().position(|score| score.is_nan()) {
        Some(id) => Err(TokenizerError::ScoreNotANumber { id: id as u32 }),
        None => Ok(scores),
    }
}

/// What is put before and after a text that the model is to read.
fn read_ends(
    metadata: &Metadata,
    family: Family,
    named: Option<&patterns::Named>,
    special: &SpecialIds,
) -> Result<(Vec<u32>, Vec<u32>), TokenizerError> {
    if family == Family::WordPiece {
        return Ok((special.bos.into_iter().collect(), special.sep.into_iter().collect()));
    }
    let usually_bos = family == Family::Scored || named.is_some_and(|named| named.add_bos);
    let add_bos = match family {
        Family::Gemma4 => true,
        _ => metadata.optional_bool(ADD_BOS)?.unwrap_or(usually_bos),
    };
    let add_eos = metadata.optional_bool(ADD_EOS)?.unwrap_or(family == Family::Unigram);
    let when = |add: bool, id: Option<u32>| id.filter(|_| add).into_iter().collect();
    Ok((when(add_bos, special.bos), when(add_eos, special.eos)))
}

fn read_normalizer(
    metadata: &Metadata,
    family: Family,
    alphabet: Alphabet,
    adds_space: bool,
) -> Result<Normalizer, TokenizerError> {
    let prefix = if adds_space { Prefix::Always } else { Prefix::Never };
    let spaces = |collapse| Change::Spaces(Spaces { prefix, collapse });
    Ok(Normalizer::new(match family {
        Family::Merges | Family::Gemma4 if alphabet == Alphabet::Bytes => vec![],
        Family::Merges | Family::Gemma4 | Family::Scored => vec![spaces(false)],
        Family::Unigram => {
            let collapse = metadata.optional_bool(COLLAPSE)?.unwrap_or(false);
            let blob = match metadata.get(CHARSMAP) {
                Some(Value::U8s(blob)) => blob.clone(),
                Some(Value::I8s(blob)) => blob.iter().map(|&byte| byte as u8).collect(),
                _ => Vec::new(),
            };
            vec![Change::Charsmap(CharsMap::new(&blob)?), spaces(collapse)]
        }
        Family::WordPiece => {
            let lowercase = metadata.optional_bool(LOWERCASE)?.unwrap_or(true);
            let strip_accents = metadata.optional_bool(STRIP_ACCENTS)?.unwrap_or(lowercase);
            vec![Change::Bert(Bert {
                clean_text: true,
                split_chinese: true,
                strip_accents,
                lowercase,
            })]
        }
    }))
}

/// Words and single punctuation characters.
pub(super) fn bert_pre_tokenizer() -> PreTokenizer {
    PreTokenizer::new(vec![
        Step::Split { pattern: WHITE_SPACE, behavior: Behavior::Removed },
        Step::Split { pattern: Pattern::Punctuation, behavior: Behavior::Isolated },
    ])
}
