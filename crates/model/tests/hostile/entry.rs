//! What a fuzzer does with any bytes; shared with the fuzz targets in `fuzz/`.
//!
//! Each function says whether the bytes were accepted.

use mynah_model::checkpoint::{Checkpoint, Data, Metadata};
use mynah_model::huggingface::{self, Folder};
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
    let mut halves = bytes.splitn(2, |&byte| byte == 0);
    let (config, weights) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
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
