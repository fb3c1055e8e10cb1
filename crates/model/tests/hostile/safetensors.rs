//! One test for each way a safetensors file or its index can be wrong.

use mynah_model::safetensors::{self, Dtype, View};

/// A file of a header and the tensors' bytes.
pub(crate) fn file(header: &str, n_bytes: usize) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), &vec![7; n_bytes]].concat()
}

/// A header with a tensor `a` of these fields.
fn one(dtype: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
}

/// A file with tensors of several types, one of them empty.
pub(crate) fn valid() -> Vec<u8> {
    let header = r#"{"__metadata__":{"format":"pt"},
        "b":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},
        "a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},
        "empty":{"dtype":"F16","shape":[0,5],"data_offsets":[4,4]},
        "i":{"dtype":"I64","shape":[],"data_offsets":[28,36]}}   "#;
    file(header, 36)
}

#[track_caller]
fn check(bytes: &[u8], message: &str) {
    let error =
        safetensors::read(&[("m.safetensors", bytes)], None).expect_err("this file was read");
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_file_is_read() {
    let bytes = valid();
    let tensors = safetensors::read(&[("m.safetensors", &bytes)], None).unwrap();
    assert_eq!(tensors.keys().collect::<Vec<_>>(), ["a", "b", "empty", "i"]);
    let data = &bytes[bytes.len() - 36..];
    let b = View { dtype: Dtype::F32, shape: vec![2, 3], bytes: &data[4..28] };
    assert_eq!(tensors["b"], b);
    assert_eq!(tensors["b"].bytes.as_ptr(), data[4..].as_ptr(), "borrowed, not copied");
    assert_eq!(tensors["i"].shape, [0; 0]);
}

#[test]
fn every_truncation_is_refused() {
    let bytes = valid();
    for n in 0..bytes.len() {
        let cut = safetensors::read(&[("m", &bytes[..n])], None);
        assert!(cut.is_err(), "{n} of {} bytes were read", bytes.len());
    }
    let longer = [bytes, vec![0]].concat();
    check(
        &longer,
        "m.safetensors: the bytes of tensor `the end of the file` begin at 37, but those before \
         it end at 36",
    );
}

#[test]
fn the_header_must_fit() {
    check(
        &[1, 2, 3],
        "m.safetensors: the header length at byte 0 takes 8 bytes, but the file ends after 3",
    );
    check(
        &[u64::MAX.to_le_bytes(), [b'{'; 8]].concat(),
        "m.safetensors: the header length at byte 0 is 18446744073709551615, beyond the limit of \
         100000000",
    );
    check(
        &[100u64.to_le_bytes(), [b'{'; 8]].concat(),
        "m.safetensors: the header at byte 8 takes 100 bytes, but the file ends after 8",
    );
}

#[test]
fn the_header_must_be_the_json_of_the_format() {
    for (header, problem) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        (
            "[]",
            "invalid type: sequence, expected an object with an entry for each tensor at line 1 \
             column 0",
        ),
        ("{}x", "trailing characters at line 1 column 3"),
        (
            "{\"a\":1}",
            "tensor `a`: invalid type: integer `1`, expected an object of dtype, shape and data_offsets at line 1 column 6",
        ),
        (&one("F33", "[1]", "[0,4]"), "tensor `a`: unknown variant `F33`"),
        (&one("F32", "[-1]", "[0,4]"), "tensor `a`: invalid value: integer `-1`, expected u64"),
        (&one("F32", "[1.5]", "[0,4]"), "tensor `a`: invalid type: floating point"),
        (&one("F32", "[1]", "[0]"), "tensor `a`: invalid length 1, expected an array of length 2"),
        (r#"{"a":{"dtype":"F32","shape":[1]}}"#, "tensor `a`: missing field `data_offsets`"),
        (
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}}"#,
            "tensor `a`: unknown field `more`",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                "a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            "`a` appears a second time",
        ),
        (r#"{"__metadata__":{},"__metadata__":{}}"#, "`__metadata__` appears a second time"),
    ] {
        let error = safetensors::read(&[("m", &file(header, 4))], None).unwrap_err().to_string();
        let expected = format!("m: the header is wrong: {problem}");
        assert!(error.starts_with(&expected), "{error}\n{expected}");
    }
    let deep = "[".repeat(100_000);
    let error = safetensors::read(&[("m", &file(&deep, 0))], None).unwrap_err().to_string();
    assert!(error.starts_with("m: the header is wrong"), "{error}");
    let header = [&[4, 0, 0, 0, 0, 0, 0, 0, b'{', b'"', 0xff, b'"'][..], &[0; 8]].concat();
    let error = safetensors::read(&[("m", &header)], None).unwrap_err().to_string();
    assert!(error.starts_with("m: the header is wrong"), "{error}");
}

#[test]
fn sizes_must_fit_shapes() {
    check(
        &file(&one("F32", "[2]", "[0,4]"), 4),
        "m.safetensors: tensor `a` of F32 and shape [2] has 4 bytes, expected 8",
    );
    check(
        &file(&one("F4", "[3]", "[0,1]"), 1),
        "m.safetensors: tensor `a` of F4 and shape [3] has 1 bytes, expected 2",
    );
    check(
        &file(&one("F32", "[4294967296,4294967296]", "[0,4]"), 4),
        "m.safetensors: tensor `a` of F32 and shape [4294967296, 4294967296] has 4 bytes, and \
         its size overflows",
    );
    check(
        &file(&one("F64", "[4611686018427387904]", "[0,0]"), 0),
        "m.safetensors: tensor `a` of F64 and shape [4611686018427387904] has 0 bytes, and its \
         size overflows",
    );
}

#[test]
fn bytes_must_lie_in_the_file() {
    for (offsets, said) in [
        ("[0,8]", "[0, 8]"),
        ("[4,0]", "[4, 0]"),
        (
            "[18446744073709551612,18446744073709551615]",
            "[18446744073709551612, 18446744073709551615]",
        ),
    ] {
        check(
            &file(&one("F32", "[1]", offsets), 4),
            &format!(
                "m.safetensors: `data_offsets` of tensor `a` is {said}, but the tensors take 4 bytes"
            ),
        );
    }
}

#[test]
fn tensors_must_follow_each_other() {
    let two = |first: &str, second: &str| {
        let header = format!(
            r#"{{"a":{{"dtype":"U8","shape":[4],"data_offsets":{first}}},
                 "b":{{"dtype":"U8","shape":[4],"data_offsets":{second}}}}}"#
        );
        file(&header, 8)
    };
    assert!(safetensors::read(&[("m", &two("[0,4]", "[4,8]"))], None).is_ok());
    assert!(safetensors::read(&[("m", &two("[4,8]", "[0,4]"))], None).is_ok());
    let said = |name, got, expected| {
        format!(
            "m.safetensors: the bytes of tensor `{name}` begin at {got}, but those before it end \
             at {expected}"
        )
    };
    check(&two("[0,4]", "[2,6]"), &said("b", 2, 4));
    check(&two("[0,4]", "[0,4]"), &said("b", 0, 4));
    check(&two("[1,5]", "[4,8]"), &said("a", 1, 0));
}

#[test]
fn shards_and_their_index_must_agree() {
    let a = file(&one("F32", "[1]", "[0,4]"), 4);
    let b = file(&one("F32", "[1]", "[0,4]").replace("\"a\"", "\"b\""), 4);
    let shards = [("1.safetensors", &a[..]), ("2.safetensors", &b[..])];
    let index = |map: &str| format!(r#"{{"metadata":{{"total_size":8}},"weight_map":{{{map}}}}}"#);
    let read = |map: &str| safetensors::read(&shards, Some(index(map).as_bytes()));
    let error = |map: &str| read(map).unwrap_err().to_string();

    assert_eq!(read(r#""a":"1.safetensors","b":"2.safetensors""#).unwrap().len(), 2);
    assert_eq!(
        error(r#""a":"2.safetensors""#),
        "the index of shards says that tensor `a` is in 2.safetensors, but it is not"
    );
    assert_eq!(
        error(r#""a":"3.safetensors""#),
        "the index of shards says that tensor `a` is in 3.safetensors, which was not given"
    );
    let twice = safetensors::read(&[shards[0], ("3.safetensors", &a)], None).unwrap_err();
    assert_eq!(twice.to_string(), "3.safetensors: tensor `a` is in 1.safetensors too");
    let broken = safetensors::read(&shards, Some(b"{}")).unwrap_err().to_string();
    assert_eq!(
        broken,
        "the index of shards is wrong: missing field `weight_map` at line 1 column 2"
    );
}

#[test]
fn an_index_names_files_beside_it_only() {
    let index = |file: &str| format!(r#"{{"weight_map":{{"a":"{file}","b":"{file}"}}}}"#);
    let names = safetensors::shard_names(index("model-00001-of-00002.safetensors").as_bytes());
    assert_eq!(names.unwrap(), ["model-00001-of-00002.safetensors"]);
    for file in ["../secret", "/etc/passwd", "a/b", "..", "", ".hidden", "c:x", "a\\\\b"] {
        let error = safetensors::shard_names(index(file).as_bytes()).unwrap_err().to_string();
        assert!(error.ends_with("which is not a file beside it"), "{error}");
    }
}
