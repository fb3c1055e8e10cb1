//! Embeddings against the reference, and against themselves in other company.

use mynah_kernels::CacheFormat;

use super::Bench;
use super::exact::{bits, text};
use crate::reference::Reference;
use crate::testing::tiny;

#[test]
fn embeddings_are_those_of_the_reference() {
    // Mean over an encoder, first, and last of a decoder.
    for (name, pooling) in [("bert", 1u32), ("nomic-bert", 2), ("qwen3", 3)] {
        let mut model = tiny(name);
        model.set("pooling_type", pooling);
        let expected = Reference::load(&model.checkpoint, None).embedding(&text(4));
        let mut bench = Bench::new(&model.checkpoint, 1, CacheFormat::F16);
        let pooling = bench.model.architecture().pooling;
        let got = bench.model.encode(&mut bench.pool, &[&text(4)], pooling, &mut bench.scratch);
        for (x, y) in got.unwrap().into_iter().zip(expected) {
            assert!((f64::from(x) - y).abs() < 1e-5, "{name}: {x} for {y}");
        }
    }
}

#[test]
fn an_embedding_does_not_depend_on_other_texts() {
    for name in ["bert", "nomic-bert", "qwen3"] {
        let model = tiny(name);
        let mut bench = Bench::new(&model.checkpoint, 2, CacheFormat::F16);
        let texts = [text(1), text(2)[..7].to_vec(), text(3)[..16].to_vec()];
        let mut encode = |texts: &[&[u32]]| {
            let pooling = bench.model.architecture().pooling;
            bench.model.encode(&mut bench.pool, texts, pooling, &mut bench.scratch).unwrap()
        };
        let together = encode(&[&texts[0], &texts[1], &texts[2]]);
        let each: Vec<f32> = texts.iter().flat_map(|text| encode(&[text])).collect();
        assert!(bits(&[together]) == bits(&[each]), "{name}");
    }
}
