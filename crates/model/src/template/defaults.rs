//! Templates for files that bring none, known by the tokens that frame their turns.
//!
//! They are written here from the formats that the models' makers document.

use crate::tokenizer::Tokenizer;

/// A family of models and how its turns are written.
struct Family {
    /// Control tokens that all must be there.
    tokens: &'static [&'static str],
    source: &'static str,
}

/// In order: the first whose tokens are there is taken.
const FAMILIES: [Family; 6] = [
    Family {
        tokens: &["<start_of_turn>", "<end_of_turn>"],
        source: include_str!("builtin/gemma.jinja"),
    },
    Family {
        tokens: &["<|im_start|>", "<|im_end|>"],
        source: include_str!("builtin/chatml.jinja"),
    },
    Family {
        tokens: &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        source: include_str!("builtin/llama3.jinja"),
    },
    Family {
        tokens: &["<|user|>", "<|assistant|>", "<|end|>"],
        source: include_str!("builtin/phi3.jinja"),
    },
    Family { tokens: &["[INST]", "[/INST]"], source: include_str!("builtin/mistral.jinja") },
    Family { tokens: &["<|turn>", "<turn|>"], source: include_str!("builtin/gemma4.jinja") },
];

/// The template of the family that a tokenizer belongs to.
pub(super) fn source_for(tokenizer: &Tokenizer) -> Option<&'static str> {
    let has = |token: &&str| tokenizer.control_token(token).is_some();
    FAMILIES.iter().find(|family| family.tokens.iter().all(has)).map(|family| family.source)
}
