//! What a fuzzer does with any bytes; shared with the fuzz targets in `fuzz/`.
//!
//! Each function says whether the bytes were accepted.

use std::sync::LazyLock;

use mynah_model::architecture::Architecture;
use mynah_model::checkpoint::{Checkpoint, Data, Metadata, Value};
use mynah_model::forward::Adapter;
use mynah_model::huggingface::{self, Folder};
use mynah_model::template::{ChatInput, ChatTemplate, Message};
use mynah_model::tokenizer::{HuggingFaceFiles, SpecialText, Tokenizer};
use mynah_model::{gguf, safetensors};

/// Reads bytes as a GGUF file, and as two parts of a split one.
///
/// What is accepted must lie in the file, and read the same after it was written.
pub(crate) fn gguf(bytes: &[u8]) -> bool {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let _ = gguf::read(&[second, first]);
    if let Ok(checkpoint) = gguf::read(&[bytes]) {
        check(&checkpoint);
        let once = written(&checkpoint);
        let again = gguf::read(&[&once]).expect("what was written is read");
        assert_eq!(written(&again), once, "written the same again");
        return true;
    }
    false
}

/// Reads bytes as a safetensors file and as the index of one.
pub(crate) fn safetensors(bytes: &[u8]) -> bool {
    let _ = safetensors::shard_names(bytes);
    let _ = safetensors::read(&[], Some(bytes));
    if let Ok(tensors) = safetensors::read(&[("one.safetensors", bytes)], None) {
        let n_bytes: usize = tensors.values().map(|tensor| tensor.bytes.len()).sum();
        let header = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length)) as usize;
        assert_eq!(n_bytes, bytes.len() - 8 - header, "every byte belongs to one tensor");
        disjoint(tensors.values().map(|tensor| tensor.bytes));
        return true;
    }
    false
}

/// Reads bytes as a `config.json` in front of a safetensors file, parted by a zero byte.
pub(crate) fn folder(bytes: &[u8]) -> bool {
    let (config, weights) = halves(bytes);
    let Ok(tensors) = safetensors::read(&[("one.safetensors", weights)], None) else {
        return false;
    };
    let folder = Folder {
        name: "fuzz",
        config,
        generation_config: Some(config),
        pooling_config: Some(config),
        tokenizer_metadata: Metadata::new(),
        tensors,
    };
    if let Ok(checkpoint) = huggingface::checkpoint(folder) {
        for tensor in checkpoint.tensors.values() {
            assert_eq!(tensor.bytes().len(), tensor.n_bytes());
        }
        return true;
    }
    false
}

/// Reads bytes as a `tokenizer.json`, behind it as the text that it is used on, parted by a zero
/// byte.
pub(crate) fn tokenizer(bytes: &[u8]) -> bool {
    let (tokenizer, text) = halves(bytes);
    let files = HuggingFaceFiles {
        tokenizer,
        config: None,
        special_tokens_map: None,
        generation_config: None,
    };
    let Ok(tokenizer) = Tokenizer::from_tokenizer_json(&files) else { return false };
    use_tokenizer(&tokenizer, &String::from_utf8_lossy(text));
    true
}

/// Reads bytes as a GGUF file with a tokenizer.
pub(crate) fn vocabulary(bytes: &[u8]) -> bool {
    let Ok(checkpoint) = gguf::read(&[bytes]) else { return false };
    let Ok(tokenizer) = Tokenizer::from_metadata(&checkpoint.metadata) else { return false };
    use_tokenizer(&tokenizer, "Hello, <s>world</s>! It's 1234 \u{e9}\u{8a9e}\n\t  \u{1f600}");
    // A template that the file brings is compiled and run as well.
    if let Ok(template) = ChatTemplate::from_metadata(&checkpoint.metadata, &tokenizer, true) {
        let messages = [Message::text("user", "hi")];
        let _ = template.render(&ChatInput { messages: &messages, ..ChatInput::default() });
    }
    true
}

/// Reads bytes as a template, behind it as what a user says, parted by a zero byte.
pub(crate) fn template(bytes: &[u8]) -> bool {
    let (source, said) = halves(bytes);
    let Ok(source) = std::str::from_utf8(source) else { return false };
    let said = String::from_utf8_lossy(said);
    let tokens = ["<unk>", "<BOS>", "<EOS>", "<", "a", "\u{2581}"];
    let metadata = Metadata::from([
        ("tokenizer.ggml.model", Value::String("llama".into())),
        ("tokenizer.ggml.tokens", Value::Strings(tokens.into_iter().collect())),
        ("tokenizer.ggml.token_type", Value::I32s(vec![2, 3, 3, 1, 1, 1])),
    ]);
    let tokenizer = Tokenizer::from_metadata(&metadata).expect("a tokenizer");
    let Ok(template) = ChatTemplate::new(source, &tokenizer) else { return false };
    let messages = [
        Message::text("system", said.clone()),
        Message::text("user", said.clone()),
        Message { reasoning: Some(said.clone().into_owned()), ..Message::text("assistant", said) },
        Message::text("user", "more"),
    ];
    let tools = [serde_json::json!({"type": "function", "function": {"name": "f",
        "description": "d", "parameters": {"type": "object", "properties": {}}}})];
    let input = ChatInput {
        messages: &messages,
        tools: &tools,
        add_generation_prompt: true,
        ..ChatInput::default()
    };
    let Ok(rendered) = template.render(&input) else { return false };
    tokenizer.encode_rendered(&rendered);
    true
}

/// Reads bytes as a GGUF file with an adapter of a small model.
pub(crate) fn adapter(bytes: &[u8]) -> bool {
    static MODEL: LazyLock<Architecture> = LazyLock::new(small_model);
    let Ok(checkpoint) = gguf::read(&[bytes]) else { return false };
    Adapter::load(&checkpoint, &MODEL, 1.0).is_ok()
}

/// What a model of one block is, from the fixture that the tests of the forward pass read.
fn small_model() -> Architecture {
    let config = include_bytes!("../../../../fixtures/tiny/llama/config.json");
    let weights = include_bytes!("../../../../fixtures/tiny/llama/model.safetensors");
    let folder = Folder {
        name: "fuzz",
        config,
        generation_config: None,
        pooling_config: None,
        tokenizer_metadata: Metadata::new(),
        tensors: safetensors::read(&[("one.safetensors", weights)], None).expect("weights"),
    };
    let checkpoint = huggingface::checkpoint(folder).expect("a model");
    Architecture::read(&checkpoint, None).expect("an architecture")
}

/// What stands before a zero byte, and what behind it.
fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = bytes.splitn(2, |&byte| byte == 0);
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

/// Checks that text becomes tokens of the vocabulary and never a control token, and that what is
/// written to metadata is read again.
fn use_tokenizer(tokenizer: &Tokenizer, text: &str) {
    for special in [SpecialText::AsText, SpecialText::Parse] {
        let ids = tokenizer.encode(text, special);
        assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_len()), "{ids:?}");
        if special == SpecialText::AsText {
            assert!(!ids.iter().any(|&id| tokenizer.is_control(id)), "{ids:?}");
        }
        for id in ids {
            tokenizer.token_bytes(id);
        }
    }
    if let Ok(metadata) = tokenizer.to_metadata() {
        let _ = Tokenizer::from_metadata(&metadata);
    }
}

/// Checks that every tensor borrows as many bytes as it takes, and no other does.
fn check(checkpoint: &Checkpoint) {
    let stored = checkpoint.tensors.iter().map(|(name, tensor)| {
        let Data::Stored(stored) = tensor.data else { panic!("{name} was copied") };
        assert_eq!(stored.len(), tensor.n_bytes(), "{name}");
        stored
    });
    disjoint(stored);
}

/// Checks that no two of these overlap.
fn disjoint<'a>(slices: impl Iterator<Item = &'a [u8]>) {
    let mut ranges: Vec<_> = slices.map(<[u8]>::as_ptr_range).collect();
    ranges.sort_by_key(|range| (range.start, range.end));
    assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "tensors overlap");
}

/// The checkpoint as a file; a name that is too long to be written is left out.
fn written(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut out = Vec::new();
    match gguf::write(checkpoint, &mut out) {
        Ok(_) => out,
        Err(gguf::WriteError::Name { .. }) => {
            written(&Checkpoint { metadata: checkpoint.metadata.clone(), ..Checkpoint::default() })
        }
        Err(error) => panic!("what was read is written: {error}"),
    }
}
