//! What is written as GGUF reads as it was.

use mynah_kernels::format::Format;
use mynah_model::checkpoint::{Checkpoint, Data, Metadata, Tensor, Value};
use mynah_model::gguf::{self, Entry, Writer};

fn facts() -> Metadata {
    let one_each = [
        Value::U8(1),
        Value::I8(-1),
        Value::U16(2),
        Value::I16(-2),
        Value::U32(3),
        Value::I32(-3),
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F32(0.5),
        Value::F64(0.1),
        Value::Bool(true),
        Value::from("text"),
        Value::U8s(vec![1, 2]),
        Value::I8s(vec![-1]),
        Value::U16s(vec![500]),
        Value::I16s(vec![-500]),
        Value::U32s(vec![7, 8, 9]),
        Value::I32s(vec![]),
        Value::U64s(vec![1 << 40]),
        Value::I64s(vec![-1]),
        Value::F32s(vec![1.0, 2.0]),
        Value::F64s(vec![3.0]),
        Value::Bools(vec![true, false]),
        Value::Strings(["", "a", "\u{2581}the"].into_iter().collect()),
        Value::Array(vec![Value::U8s(vec![1]), Value::Array(vec![Value::Bools(vec![])])]),
    ];
    one_each.into_iter().enumerate().map(|(i, value)| (format!("k{i:02}"), value)).collect()
}

fn tensor(format: Format, shape: &[usize], data: &'static [u8]) -> Tensor<'static> {
    Tensor { shape: shape.to_vec(), format, data: Data::Stored(data) }
}

fn model() -> Checkpoint<'static> {
    let derived = Data::Derived(Box::new(|| vec![9; 68]));
    let tensors = [
        ("blk.10.a.weight", tensor(Format::F32, &[1], &[1; 4])),
        ("blk.2.a.weight", Tensor { shape: vec![32, 2], format: Format::Q8_0, data: derived }),
        ("output.weight", tensor(Format::F16, &[3], &[3; 6])),
        ("token_embd.weight", tensor(Format::BF16, &[1, 2, 1, 2], &[4; 8])),
    ];
    let tensors = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    Checkpoint { metadata: facts(), tensors }
}

fn written(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut bytes = Vec::new();
    let n = gguf::write(checkpoint, &mut bytes).expect("a buffer takes everything");
    assert_eq!(n, bytes.len() as u64);
    bytes
}

#[test]
fn a_model_reads_as_it_was_written() {
    let model = model();
    let bytes = written(&model);
    let again = gguf::read(&[&bytes]).unwrap();
    assert_eq!(again.metadata, model.metadata);
    assert_eq!(again.tensors.keys().collect::<Vec<_>>(), model.tensors.keys().collect::<Vec<_>>());
    for (name, tensor) in &model.tensors {
        let read = &again.tensors[name];
        assert_eq!((&read.shape, read.format), (&tensor.shape, tensor.format), "{name}");
        assert_eq!(read.bytes(), tensor.bytes(), "{name}");
    }
    assert_eq!(written(&again), bytes, "and is written the same again");
}

#[test]
fn facts_and_tensors_are_in_a_sensible_order() {
    let mut model = model();
    for key in ["general.architecture", "general.name", "llama.block_count", "tokenizer.ggml.model"]
    {
        model.metadata.insert(key.into(), "x".into());
    }
    let bytes = written(&model);
    let place = |name: &str| {
        bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap()
    };
    let expected = [
        "general.architecture",
        "general.name",
        "k00",
        "llama.block_count",
        "tokenizer.ggml.model",
        "output.weight",
        "token_embd.weight",
        "blk.2.a.weight",
        "blk.10.a.weight",
    ];
    assert!(expected.map(place).is_sorted());
}

#[test]
fn tensors_are_aligned_whatever_the_facts_say() {
    let mut model = model();
    model.metadata.insert("general.alignment".into(), Value::U32(8));
    let bytes = written(&model);
    let again = gguf::read(&[&bytes]).unwrap();
    assert!(!again.metadata.contains_key("general.alignment"));
    for tensor in again.tensors.values() {
        let Data::Stored(stored) = tensor.data else { panic!("copied") };
        assert!((stored.as_ptr() as usize - bytes.as_ptr() as usize).is_multiple_of(32));
    }
    assert_eq!(bytes.len() % 32, 0);
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let refused = |name: &str, tensor: Tensor<'static>| {
        let tensors = [(name.to_owned(), tensor)].into();
        let checkpoint = Checkpoint { metadata: Metadata::new(), tensors };
        gguf::write(&checkpoint, &mut Vec::new()).unwrap_err().to_string()
    };
    let name = "n".repeat(64);
    assert_eq!(
        refused(&name, tensor(Format::F32, &[1], &[0; 4])),
        format!("the name of tensor `{name}` has 64 bytes; GGUF readers take at most 63")
    );
    for shape in [&[][..], &[0], &[1; 5], &[usize::MAX, 2]] {
        assert_eq!(
            refused("t", tensor(Format::F32, shape, &[])),
            format!("tensor `t` has the shape {shape:?}, which F32 cannot store")
        );
    }
    assert_eq!(
        refused("t", tensor(Format::Q4_0, &[16, 2], &[0; 18])),
        "tensor `t` has the shape [16, 2], which Q4_0 cannot store"
    );
    for n in [3, 5] {
        let data = Data::Derived(Box::new(move || vec![0; n]));
        assert_eq!(
            refused("t", Tensor { shape: vec![1], format: Format::F32, data }),
            format!("tensor `t` has {n} bytes, but its shape takes 4")
        );
    }
}

#[test]
fn bytes_may_come_in_pieces() {
    let entry = |name: &str, n| Entry { name: name.into(), shape: vec![n], format: Format::F32 };
    let mut bytes = Vec::new();
    let mut writer =
        Writer::new(&mut bytes, &Metadata::new(), vec![entry("a", 2), entry("b", 1)]).unwrap();
    for piece in [&[1; 3][..], &[], &[1; 5], &[2; 4]] {
        writer.bytes(piece).unwrap();
    }
    assert_eq!(
        writer.bytes(&[0]).unwrap_err().to_string(),
        "more bytes than the tensors of this file take"
    );
    writer.finish().unwrap();
    let again = gguf::read(&[&bytes]).unwrap();
    assert_eq!(
        (again.tensors["a"].bytes(), again.tensors["b"].bytes()),
        ([1; 8][..].into(), [2; 4][..].into())
    );
}

#[test]
fn an_output_that_fails_is_reported() {
    let mut small = [0; 40];
    let error = gguf::write(&model(), &mut &mut small[..]).unwrap_err();
    assert!(matches!(error, gguf::WriteError::Io(_)), "{error}");
}
