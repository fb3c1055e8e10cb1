//! Valid files with random faults: no reader panics, and none asks for much more memory than the
//! file has bytes.
//!
//! The fuzz targets in `fuzz/` do the same for longer and are led by coverage; this is what every
//! run of the tests does.

use std::panic::{AssertUnwindSafe, catch_unwind};

use peak_alloc::PeakAlloc;

#[path = "hostile/build.rs"]
mod build;
#[allow(dead_code, reason = "some are for the fuzz targets alone")]
#[path = "hostile/entry.rs"]
mod entry;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How often each kind of file is damaged.
const ROUNDS: u64 = 8_000;
/// The most memory that a reader and its test may use for each byte of the file, and besides.
///
/// A file of many tiny fields is the worst: an array of 12 bytes in an array becomes a value of 32.
const BYTES_PER_BYTE: usize = 16;
const BYTES_BESIDES: usize = 1 << 13;

/// Marsaglia's xorshift64*: enough for faults that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`, which is not 0.
    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n
    }
}

/// Numbers at which readers go wrong.
const AWKWARD: [u64; 16] = [
    0,
    1,
    2,
    7,
    9,
    31,
    33,
    255,
    1 << 15,
    (1 << 31) - 1,
    1 << 32,
    1 << 61,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 31,
    u64::MAX,
];

/// Words of which configurations and headers consist.
const WORDS: [&str; 16] = [
    "null",
    "-1",
    "1e999",
    "[]",
    "{}",
    "\"\"",
    "18446744073709551615",
    "0",
    "true",
    "\"F32\"",
    "4000000000",
    "3",
    "4294967296",
    "\"linear\"",
    "[0,0]",
    "1.5",
];

/// Damages a file in one to four places.
fn damage(random: &mut Random, bytes: &mut Vec<u8>, text: bool) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let until = (at + 1 + random.below(24)).min(bytes.len());
        let kind = random.below(if text { 9 } else { 7 });
        match kind {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => {
                let width = [1, 4, 8][random.below(3)].min(bytes.len() - at);
                let number = AWKWARD[random.below(AWKWARD.len())].to_le_bytes();
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
            3 => drop(bytes.drain(at..until)),
            4 => {
                let piece = bytes[at..until].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            5 => bytes.truncate(at),
            6 => bytes.splice(at..at, vec![0; until - at]).for_each(drop),
            _ => {
                let word = WORDS[random.below(WORDS.len())].bytes();
                let digits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
                let start = at - bytes[..at].iter().rev().take_while(|b| digits(b)).count();
                let end = at + bytes[at..].iter().take_while(|b| digits(b)).count();
                bytes.splice(start..end, word).for_each(drop);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// Runs a reader over damaged files and checks the memory it takes.
///
/// `read` says whether it accepted the file; some must be, or the faults would test little.
fn torture(
    name: &str,
    seed: u64,
    mut make: impl FnMut(&mut Random) -> Vec<u8>,
    read: fn(&[u8]) -> bool,
) {
    let mut random = Random(seed);
    let mut n_accepted = 0;
    for round in 0..ROUNDS {
        let bytes = make(&mut random);
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&bytes)));
        let most = MEMORY.peak_usage() - before;
        assert!(outcome.is_ok(), "{name}, round {round}: {}", bytes.escape_ascii());
        n_accepted += u64::from(outcome.unwrap_or(false));
        let allowed = bytes.len() * BYTES_PER_BYTE + BYTES_BESIDES;
        assert!(
            most <= allowed,
            "{name}, round {round}: {most} bytes for a file of {}",
            bytes.len()
        );
    }
    let share = n_accepted * 100 / ROUNDS;
    assert!((5..95).contains(&share), "{name}: {share} % were accepted");
}

/// A safetensors file from its header and its data; the length is right even if the header is not.
fn with_length(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

const HEADER: &str = r#"{"__metadata__":{"format":"pt"},
    "model.embed_tokens.weight":{"dtype":"BF16","shape":[3,4],"data_offsets":[0,24]},
    "model.layers.0.self_attn.q_proj.weight":{"dtype":"F32","shape":[4,4],"data_offsets":[24,88]},
    "model.layers.0.self_attn.k_proj.bias":{"dtype":"F16","shape":[4],"data_offsets":[88,96]},
    "model.norm.weight":{"dtype":"F64","shape":[4],"data_offsets":[96,128]}}"#;

const CONFIG: &str = r#"{"architectures":["LlamaForCausalLM"],"hidden_size":4,"head_dim":2,
    "num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":2,"vocab_size":3,
    "intermediate_size":8,"rope_theta":10000.0,"sliding_window":7,"eos_token_id":[1,2],
    "rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,
    "high_freq_factor":4.0,"original_max_position_embeddings":64},
    "pooling_mode_mean_tokens":true,"top_k":40}"#;

/// A file whose header is JSON of the right form, and whose tensors may leave holes or overlap.
fn composed_weights(random: &mut Random) -> Vec<u8> {
    let mut end = 0;
    let entries: Vec<String> = (0..=random.below(4))
        .map(|i| {
            let (dtype, size) = [("F32", 4), ("F16", 2), ("I8", 1), ("F64", 8)][random.below(4)];
            let shape: Vec<usize> = (0..random.below(4)).map(|_| random.below(4)).collect();
            let begin = if random.below(8) == 0 { random.below(20) } else { end };
            end = begin + shape.iter().product::<usize>() * size;
            format!(
                r#""{i}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#
            )
        })
        .collect();
    let n_bytes = end + random.below(8) / 7;
    with_length(format!("{{{}}}", entries.join(",")).as_bytes(), &vec![7; n_bytes])
}

/// A configuration with one to three fields of other values.
fn composed_config(random: &mut Random) -> Vec<u8> {
    let mut config = serde_json::from_str(CONFIG).unwrap_or_default();
    for _ in 0..=random.below(3) {
        let serde_json::Value::Object(mut fields) = config else { panic!("not an object") };
        if let Some((_, value)) = fields.iter_mut().nth(random.below(12)) {
            let word = WORDS[random.below(WORDS.len())];
            *value = serde_json::from_str(word).unwrap_or_default();
        }
        config = fields.into();
    }
    config.to_string().into_bytes()
}

/// One test, because the memory of the whole process is measured.
#[test]
fn damaged_files_are_refused_or_read() {
    let files = [
        build::Gguf::example().bytes(),
        build::Gguf::default()
            .number("general.alignment", 64)
            .fact("nested", 9, &[build::array(9, 3), build::array(9, 0).repeat(3)].concat())
            .fact("empty", 9, &[build::array(8, 40), build::string("").repeat(40)].concat())
            .bytes(),
    ];
    let gguf = |random: &mut Random| {
        let mut bytes = files[random.below(files.len())].clone();
        damage(random, &mut bytes, false);
        bytes
    };
    torture("GGUF", 1, gguf, entry::gguf);
    let safetensors = |random: &mut Random| {
        if random.below(2) == 0 {
            return composed_weights(random);
        }
        let mut header = HEADER.as_bytes().to_vec();
        damage(random, &mut header, true);
        let mut bytes = with_length(&header, &[7; 128]);
        if random.below(4) == 0 {
            damage(random, &mut bytes, false);
        }
        bytes
    };
    torture("safetensors", 2, safetensors, entry::safetensors);
    let weights = with_length(HEADER.as_bytes(), &[7; 128]);
    let folder = |random: &mut Random| {
        let config = if random.below(2) == 0 {
            composed_config(random)
        } else {
            let mut config = CONFIG.as_bytes().to_vec();
            damage(random, &mut config, true);
            config
        };
        [&config[..], &[0], &weights].concat()
    };
    torture("folder", 3, folder, entry::folder);
}
