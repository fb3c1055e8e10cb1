//! What the tests of the server share: small random models, and a client that speaks HTTP.

#![allow(dead_code, reason = "each test uses some of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use mynah_kernels::format::Format;
use mynah_kernels::{CacheFormat, Isa, Pool};
use mynah_model::checkpoint::{Checkpoint, Data, Metadata, Tensor, Value as Fact};
use mynah_model::forward::{LoadOptions, Model};
use mynah_model::tokenizer::Tokenizer;
use mynah_server::{
    Access, AppState, Installed, Known, Library, LibraryError, Limits, Opened, Options, Progress,
    router,
};
use serde_json::Value;
use tower::ServiceExt as _;

/// How many tokens the models were made for.
pub(crate) const CONTEXT: usize = 16_384;
/// What each of the models says that it takes.
pub(crate) const MODEL_BYTES: u64 = 1_000_000;

const DIM: usize = 32;
const N_LAYERS: usize = 2;
const WIDTH: usize = 64;
/// The bytes, and the two tokens between which a turn stands.
const N_VOCAB: usize = 258;

/// Two models that write, and one that makes vectors, made of random numbers.
#[derive(Default)]
pub(crate) struct Shelf {
    /// How often a model was loaded.
    pub(crate) n_opened: AtomicUsize,
}

impl Library for Shelf {
    fn list(&self) -> Result<Vec<Installed>, LibraryError> {
        let installed = ["tiny", "other", "vectors"].map(|name| Installed {
            name: name.to_owned(),
            bytes: MODEL_BYTES,
            licence: None,
            created: 1,
        });
        Ok(installed.into())
    }

    fn known(&self) -> Vec<Known> {
        Vec::new()
    }

    fn default_name(&self) -> String {
        "tiny".to_owned()
    }

    fn open(&self, name: &str) -> Result<Opened, LibraryError> {
        self.n_opened.fetch_add(1, Ordering::Relaxed);
        Ok(open(name))
    }

    fn pull(
        &self,
        _: &str,
        _: &(dyn Fn(Progress) -> bool + Sync),
    ) -> Result<Installed, LibraryError> {
        Err(LibraryError { message: "there is no network".to_owned(), hint: None })
    }

    fn remove(&self, _: &str) -> Result<bool, LibraryError> {
        Ok(false)
    }

    fn warn(&self, message: &str) {
        panic!("the server warns: {message}");
    }
}

/// Numbers that look random and are always the same (Steele, Lea & Flood 2014, "SplitMix").
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    fn number(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

fn open(name: &str) -> Opened {
    let writes = name != "vectors";
    let mut checkpoint = Checkpoint::default();
    let random = &mut Random(name.bytes().map(u64::from).sum());
    let architecture = if writes { "llama" } else { "bert" };
    checkpoint.metadata = facts(architecture);
    let norm = |checkpoint: &mut Checkpoint, name: &str, random: &mut Random| {
        put(checkpoint, &format!("{name}.weight"), &[DIM], 1.0, random);
        if !writes {
            put(checkpoint, &format!("{name}.bias"), &[DIM], 0.0, random);
        }
    };
    let linear =
        |checkpoint: &mut Checkpoint, name: &str, shape: [usize; 2], random: &mut Random| {
            put(checkpoint, &format!("{name}.weight"), &shape, 0.0, random);
            if !writes {
                put(checkpoint, &format!("{name}.bias"), &shape[1..], 0.0, random);
            }
        };
    put(&mut checkpoint, "token_embd.weight", &[DIM, N_VOCAB], 0.0, random);
    if writes {
        norm(&mut checkpoint, "output_norm", random);
    } else {
        put(&mut checkpoint, "position_embd.weight", &[DIM, CONTEXT], 0.0, random);
        put(&mut checkpoint, "token_types.weight", &[DIM, 2], 0.0, random);
        norm(&mut checkpoint, "token_embd_norm", random);
    }
    for i in 0..N_LAYERS {
        let norms = if writes {
            ["attn_norm", "ffn_norm"]
        } else {
            ["attn_output_norm", "layer_output_norm"]
        };
        for name in norms {
            norm(&mut checkpoint, &format!("blk.{i}.{name}"), random);
        }
        for name in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            linear(&mut checkpoint, &format!("blk.{i}.{name}"), [DIM, DIM], random);
        }
        if writes {
            linear(&mut checkpoint, &format!("blk.{i}.ffn_gate"), [DIM, WIDTH], random);
        }
        linear(&mut checkpoint, &format!("blk.{i}.ffn_up"), [DIM, WIDTH], random);
        linear(&mut checkpoint, &format!("blk.{i}.ffn_down"), [WIDTH, DIM], random);
    }
    let mut pool = Pool::new(1);
    let isa = Isa::detect();
    let tokenizer = Tokenizer::from_metadata(&checkpoint.metadata).unwrap();
    let options = LoadOptions::default();
    let model = Model::load(&checkpoint, &mut pool, isa, options, &mut |_| ()).unwrap();
    Opened {
        name: name.to_owned(),
        sha256: Some("0123".to_owned()),
        facts: checkpoint.metadata,
        tokenizer: Arc::new(tokenizer),
        model: Arc::new(model),
        pool,
    }
}

fn put(checkpoint: &mut Checkpoint, name: &str, shape: &[usize], middle: f32, random: &mut Random) {
    let n: usize = shape.iter().product();
    let spread = if shape.len() == 1 { 0.3 } else { 2.0 / (shape[0] as f32).sqrt() };
    let numbers = (0..n).map(|_| middle + spread * random.number());
    let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
    let data = Data::Derived(Box::new(move || bytes.clone()));
    let tensor = Tensor { shape: shape.to_vec(), format: Format::F32, data };
    checkpoint.tensors.insert(name.to_owned(), tensor);
}

fn facts(architecture: &str) -> Metadata {
    // GPT-2's letters for the bytes: those that can be seen stand for themselves.
    let mut next = 256;
    let mut tokens: Vec<String> = (0..=255u8)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte).to_string(),
            _ => {
                next += 1;
                char::from_u32(next - 1).unwrap().to_string()
            }
        })
        .collect();
    tokens.extend(["<|im_start|>".to_owned(), "<|im_end|>".to_owned()]);
    let mut kinds = vec![1; 256];
    kinds.extend([3, 3]);
    let number = |n: usize| Fact::from(n as u32);
    let mut facts = Metadata::from([
        ("general.architecture", Fact::from(architecture)),
        ("tokenizer.ggml.model", Fact::from("gpt2")),
        ("tokenizer.ggml.pre", Fact::from("gpt-2")),
        ("tokenizer.ggml.tokens", Fact::Strings(tokens.into())),
        ("tokenizer.ggml.token_type", Fact::I32s(kinds)),
        ("tokenizer.ggml.merges", Fact::Strings(Vec::new().into())),
        ("tokenizer.ggml.eos_token_id", number(257)),
        ("general.sampling.temp", Fact::from(1.0f32)),
    ]);
    let sizes = [
        ("embedding_length", DIM),
        ("block_count", N_LAYERS),
        ("context_length", CONTEXT),
        ("feed_forward_length", WIDTH),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 2),
    ];
    facts.extend(sizes.map(|(key, size)| (format!("{architecture}.{key}"), number(size))));
    for key in ["layer_norm_rms_epsilon", "layer_norm_epsilon"] {
        facts.extend([(format!("{architecture}.attention.{key}"), Fact::from(1e-5f32))]);
    }
    facts
}

/// Options under which nothing is kept and nobody needs a key.
pub(crate) fn options() -> Options {
    Options {
        access: Access::default(),
        model: None,
        memory_bytes: 1 << 30,
        cache_positions: 4096,
        cache_format: CacheFormat::F16,
        database: "unused".into(),
        records: false,
        limits: Limits { wait: Duration::from_mins(10), ..Limits::default() },
        code: None,
    }
}

/// A server that is called without a connection.
pub(crate) struct Called {
    runtime: tokio::runtime::Runtime,
    pub(crate) router: axum::Router,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) state: AppState,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Response {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The data of the events in a stream; the end mark is left out and must be there.
    pub(crate) fn events(&self) -> Vec<Value> {
        let events = self.text.split_terminator("\n\n").map(|event| {
            event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default()
        });
        events
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

impl Called {
    pub(crate) fn new(options: Options) -> Self {
        let shelf = Arc::new(Shelf::default());
        let state = AppState::new(Arc::clone(&shelf) as _, options);
        let router = router(state.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, router, shelf, state }
    }

    pub(crate) fn send(&self, request: Request<Body>) -> Response {
        self.send_all(vec![request]).remove(0)
    }

    /// Sends requests at once.
    pub(crate) fn send_all(&self, requests: Vec<Request<Body>>) -> Vec<Response> {
        self.runtime.block_on(async {
            let tasks: Vec<_> = requests
                .into_iter()
                .map(|request| {
                    let router = self.router.clone();
                    tokio::spawn(async move {
                        let response = router.oneshot(request).await.unwrap();
                        let (parts, body) = response.into_parts();
                        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                        Response {
                            status: parts.status,
                            headers: parts.headers,
                            text: String::from_utf8(body.into()).unwrap(),
                        }
                    })
                })
                .collect();
            let mut responses = Vec::new();
            for task in tasks {
                responses.push(task.await.unwrap());
            }
            responses
        })
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send(Request::get(path).header("host", "localhost").body(Body::empty()).unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.send(post(path, body))
    }

    /// Sends what must be answered.
    pub(crate) fn ask(&self, path: &str, body: &Value) -> Value {
        let response = self.post(path, body);
        assert_eq!(response.status, StatusCode::OK, "{response:?}");
        response.json()
    }
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Body> {
    let request = Request::post(path).header("host", "localhost");
    request.header("content-type", "application/json").body(body.to_string().into()).unwrap()
}
