//! A decode step asks for no memory once a step of its size has been made.

use std::path::Path;

use mynah_kernels::{CacheFormat, Isa, Pool};
use mynah_model::checkpoint::Metadata;
use mynah_model::forward::{Batch, KvCache, LoadOptions, Model, Row, Scratch, Sequence};
use mynah_model::huggingface::{self, Folder};
use mynah_model::safetensors;
use peak_alloc::PeakAlloc;

/// Counts what is allocated: this file has one test, so that nothing else is counted.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[test]
fn a_step_allocates_nothing_once_warm() {
    for name in ["llama", "gemma3", "qwen2-moe"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny").join(name);
        let config = std::fs::read(folder.join("config.json")).unwrap();
        let weights = std::fs::read(folder.join("model.safetensors")).unwrap();
        let checkpoint = huggingface::checkpoint(Folder {
            name,
            config: &config,
            generation_config: None,
            pooling_config: None,
            tokenizer_metadata: Metadata::new(),
            tensors: safetensors::read(&[("model.safetensors", &weights)], None).unwrap(),
        })
        .unwrap();
        let mut pool = Pool::new(2);
        let options = LoadOptions::default();
        let model =
            Model::load(&checkpoint, &mut pool, Isa::detect(), options, &mut |_| {}).unwrap();
        let mut cache = KvCache::new(model.architecture(), CacheFormat::F16, 8);
        let mut scratch = Scratch::new();
        let sequences =
            [&[0, 1, 2, 3][..], &[4, 5, 6, 7]].map(|pages| Sequence { pages, adapter: None });
        let mut step = |position: u32| {
            let rows = [0, 1].map(|sequence| Row {
                token: position % 60,
                position,
                sequence,
                wants_logits: true,
            });
            let batch = Batch { rows: &rows, sequences: &sequences };
            model.forward(&mut pool, batch, &mut cache, &mut scratch).unwrap();
        };
        (0..20).for_each(&mut step);
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        (20..30).for_each(&mut step);
        assert_eq!(MEMORY.peak_usage(), before, "{name}");
    }
}
