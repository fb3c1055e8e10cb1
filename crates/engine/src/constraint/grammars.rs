//! A model's vocabulary, indexed so that grammars can be followed in it.

use std::sync::{Arc, OnceLock};

use llguidance::api::TopLevelGrammar;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{
    INVALID_TOKEN, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenizerEnv,
};
use llguidance::{Matcher, ParserFactory};

use super::error::ConstraintError;
use super::{Limits, Vocabulary};

/// The library stores a token id in 24 bits and the size of a subtree in 22.
const MAX_TOKENS: usize = (1 << 24) - 2;
const MAX_NODES: usize = (1 << 22) - 2;
/// Longer tokens are never allowed: the library counts their bytes in 10 bits.
const MAX_TOKEN_BYTES: usize = 1000;
/// The byte with which the library marks control tokens; no UTF-8 text has it.
const MARKER: u8 = TokTrie::SPECIAL_TOKEN_MARKER;

/// What all constraints of one model share.
///
/// Indexing the vocabulary takes some ten milliseconds, so it is done when the first
/// constraint is made. A clone shares the index.
#[derive(Clone)]
pub struct Grammars {
    shared: Arc<Shared>,
}

struct Shared {
    vocabulary: Arc<dyn Vocabulary>,
    limits: Limits,
    factory: OnceLock<Result<ParserFactory, ConstraintError>>,
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammars")
            .field("vocab_len", &self.vocabulary().vocab_len())
            .field("limits", self.limits())
            .field("indexed", &self.shared.factory.get().is_some())
            .finish()
    }
}

impl Grammars {
    /// Takes the vocabulary of a model, with the default limits.
    pub fn new(vocabulary: Arc<dyn Vocabulary>) -> Self {
        Self::with_limits(vocabulary, Limits::default())
    }

    /// Takes the vocabulary of a model and limits for grammars.
    pub fn with_limits(vocabulary: Arc<dyn Vocabulary>, limits: Limits) -> Self {
        Self { shared: Arc::new(Shared { vocabulary, limits, factory: OnceLock::new() }) }
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &dyn Vocabulary {
        &*self.shared.vocabulary
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Indexes the vocabulary now instead of with the first constraint.
    ///
    /// # Errors
    /// If the vocabulary is larger than can be indexed.
    pub fn prepare(&self) -> Result<(), ConstraintError> {
        self.factory().map(|_| ())
    }

    /// Makes a matcher at the beginning of a grammar; an error is the library's text.
    pub(super) fn compile(
        &self,
        grammar: TopLevelGrammar,
    ) -> Result<Result<Matcher, String>, ConstraintError> {
        let parser = match self.factory()?.create_parser(grammar) {
            Ok(parser) => parser,
            Err(fault) => return Ok(Err(format!("{fault:#}"))),
        };
        let mut matcher = Matcher::new(Ok(parser));
        Ok(match matcher.get_error() {
            Some(fault) => Err(fault),
            // A grammar that can never be finished shows here.
            None => matcher.is_accepting().map(|_| matcher).map_err(|fault| fault.to_string()),
        })
    }

    fn factory(&self) -> Result<&ParserFactory, ConstraintError> {
        let build = || build_factory(&self.shared.vocabulary, &self.shared.limits);
        self.shared.factory.get_or_init(build).as_ref().map_err(Clone::clone)
    }
}

fn build_factory(
    vocabulary: &Arc<dyn Vocabulary>,
    limits: &Limits,
) -> Result<ParserFactory, ConstraintError> {
    let words = words(&**vocabulary)?;
    let ends: Vec<u32> =
        (0..words.len() as u32).filter(|&id| vocabulary.is_end_of_generation(id)).collect();
    let end = ends.first().copied().unwrap_or(INVALID_TOKEN);
    let mut trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, end), &words);
    if ends.len() > 1 {
        trie = trie.with_eos_tokens(&ends);
    }
    let canonical = tokenizes_faithfully(&**vocabulary);
    let environment: TokEnv =
        Arc::new(Environment { trie, vocabulary: Arc::clone(vocabulary), canonical });
    let mut factory = ParserFactory::new(
        &environment,
        InferenceCapabilities::default(),
        &SlicedBiasComputer::general_slices(),
    )
    .map_err(|fault| ConstraintError::Library { message: format!("{fault:#}") })?;
    *factory.limits_mut() = limits.parser_limits();
    factory.quiet();
    Ok(factory)
}

/// The tokens as the library wants them: control tokens marked, empty ones never allowed.
fn words(vocabulary: &dyn Vocabulary) -> Result<Vec<Vec<u8>>, ConstraintError> {
    let too_large = |got, unit, limit| ConstraintError::VocabularyTooLarge { got, unit, limit };
    let vocab_len = vocabulary.vocab_len();
    if vocab_len > MAX_TOKENS {
        return Err(too_large(vocab_len, "tokens", MAX_TOKENS));
    }
    let word = |id| {
        let bytes = vocabulary.token_bytes(id);
        if bytes.is_empty() || bytes.len() > MAX_TOKEN_BYTES {
            Vec::new()
        } else if vocabulary.is_control(id) || vocabulary.is_end_of_generation(id) {
            [&[MARKER], bytes].concat()
        } else if bytes.contains(&MARKER) {
            Vec::new()
        } else {
            bytes.to_vec()
        }
    };
    let words: Vec<Vec<u8>> = (0..vocab_len as u32).map(word).collect();
    // Shared beginnings are stored once; without them the bytes are a quick bound.
    if words.iter().map(Vec::len).sum::<usize>() > MAX_NODES {
        let nodes = count_nodes(&words);
        if nodes > MAX_NODES {
            return Err(too_large(nodes, "bytes in different beginnings", MAX_NODES));
        }
    }
    Ok(words)
}

/// The number of different beginnings of the words.
fn count_nodes(words: &[Vec<u8>]) -> usize {
    let mut sorted: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable();
    let mut nodes = 0;
    let mut before: &[u8] = &[];
    for word in sorted {
        let shared = word.iter().zip(before).take_while(|(a, b)| a == b).count();
        // Equal words each get a node of their own for the last byte.
        nodes += (word.len() - shared).max(1);
        before = word;
    }
    nodes
}

/// Whether the vocabulary can split text without changing it.
///
/// Some tokenizers put a space before the text or change its form; what such a one
/// says about a piece in the middle of an answer cannot be used.
fn tokenizes_faithfully(vocabulary: &dyn Vocabulary) -> bool {
    ["a", "{\"name\": ", " and", "\n\n", "ä\u{301}", "  x"].iter().all(|text| {
        vocabulary
            .tokenize(text.as_bytes())
            .is_some_and(|tokens| spells(vocabulary, &tokens, text.as_bytes()))
    })
}

/// Whether the bytes of the tokens, one after the other, are `text`.
fn spells(vocabulary: &dyn Vocabulary, tokens: &[u32], text: &[u8]) -> bool {
    let mut rest = Some(text);
    for &token in tokens {
        rest = rest.and_then(|rest| {
            let known = (token as usize) < vocabulary.vocab_len();
            if !known || vocabulary.is_control(token) {
                return None;
            }
            rest.strip_prefix(vocabulary.token_bytes(token))
        });
    }
    rest == Some(&[])
}

/// The vocabulary as the library sees it.
struct Environment {
    trie: TokTrie,
    vocabulary: Arc<dyn Vocabulary>,
    canonical: bool,
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<u32> {
        self.vocabulary
            .tokenize(text)
            .filter(|tokens| spells(&*self.vocabulary, tokens, text))
            .unwrap_or_else(|| self.trie.greedy_tokenize(text))
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.canonical
    }
}
