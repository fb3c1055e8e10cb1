//! One test for each way a GGUF file can be wrong.

use mynah_kernels::format::Format;
use mynah_model::checkpoint::{Checkpoint, Data, Strings, Value};
use mynah_model::gguf::{self, PartName};

use crate::build::{Gguf, array, string};

/// The message of the error that these bytes give.
fn refused(bytes: &[u8]) -> String {
    match gguf::read(&[bytes]) {
        Ok(_) => panic!("this file was read"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check(file: &Gguf, message: &str) {
    assert_eq!(refused(&file.bytes()), message);
}

#[test]
fn every_type_of_fact_is_read() {
    let bytes = Gguf::example().bytes();
    let checkpoint = gguf::read(&[&bytes]).unwrap();
    let expected = [
        ("bool", Value::Bool(true)),
        ("bools", Value::Bools(vec![false, true])),
        ("f32", Value::F32(1.5)),
        ("f32s", Value::F32s(vec![2.5])),
        ("f64", Value::F64(0.1)),
        ("general.architecture", Value::from("llama")),
        ("i16", Value::I16(-5)),
        ("i32", Value::I32(-7)),
        ("i64", Value::I64(i64::MIN)),
        ("i8", Value::I8(-56)),
        ("nested", Value::Array(vec![Value::U8s(vec![9]), Value::Strings(Strings::default())])),
        ("strings", Value::Strings(["a", "", "é"].into_iter().collect())),
        ("u16", Value::U16(40_000)),
        ("u32", Value::U32(4_000_000_000)),
        ("u64", Value::U64(u64::MAX)),
        ("u8", Value::U8(200)),
        ("u8s", Value::U8s(vec![1, 2, 3])),
    ];
    assert_eq!(checkpoint.metadata, expected.into());
}

#[test]
fn tensors_borrow_their_bytes() {
    let bytes = Gguf::example().bytes();
    let checkpoint = gguf::read(&[&bytes]).unwrap();
    let tensor = &checkpoint.tensors["b.weight"];
    assert_eq!((&tensor.shape[..], tensor.format), (&[32][..], Format::Q8_0));
    let Data::Stored(stored) = tensor.data else { panic!("copied") };
    assert_eq!(stored.as_ptr_range(), bytes[bytes.len() - 34..].as_ptr_range());
}

#[test]
fn version_2_is_read_and_others_are_not() {
    let version = |version| Gguf { version, ..Gguf::example() };
    assert!(gguf::read(&[&version(2).bytes()]).is_ok());
    check(&version(1), "the version at byte 4: is 1; versions 2 and 3 are read");
    check(&version(4), "the version at byte 4: is 4; versions 2 and 3 are read");
    check(&version(0), "the version at byte 4: is 0; versions 2 and 3 are read");
    check(
        &version(3u32.swap_bytes()),
        "the version at byte 4: has its bytes reversed: big-endian files are not read, \
         convert it to little endian",
    );
}

#[test]
fn something_else_is_not_gguf() {
    let message = "the magic at byte 0: is \"PK\\\\x03\\\\x04\", not \"GGUF\": \
                   this is not a GGUF file";
    check(&Gguf { magic: *b"PK\x03\x04", ..Gguf::example() }, message);
    assert_eq!(refused(b"GG"), "the magic at byte 0: takes 4 bytes, but the file ends after 2");
    assert_eq!(refused(b""), "the magic at byte 0: takes 4 bytes, but the file ends after 0");
}

#[test]
fn every_truncation_is_refused() {
    let bytes = Gguf::example().bytes();
    for n in 0..bytes.len() {
        assert!(gguf::read(&[&bytes[..n]]).is_err(), "{n} of {} bytes were read", bytes.len());
    }
}

/// The start of a file, up to the facts.
fn header(version: u32, n_tensors: u64, n_facts: u64) -> Vec<u8> {
    Gguf { version, n_tensors, n_facts, alignment: 1, ..Gguf::default() }.bytes()
}

#[test]
fn counts_must_be_backed_by_the_file() {
    assert_eq!(
        refused(&header(3, 0, u64::MAX)),
        "the number of facts at byte 16: is 18446744073709551615, but the 0 bytes that are left \
         hold at most 0"
    );
    assert_eq!(
        refused(&header(3, 1 << 40, 0)),
        "the number of tensors at byte 8: is 1099511627776, but the 8 bytes that are left hold \
         at most 0"
    );
    let strings = Gguf::default().fact("k", 9, &array(8, 1 << 61));
    check(
        &Gguf { alignment: 1, ..strings },
        "the number of entries of `k` at byte 41: is 2305843009213693952, but the 0 bytes that \
         are left hold at most 0",
    );
    let numbers = Gguf::default().fact("k", 9, &[array(12, 2), vec![0; 15]].concat());
    check(
        &Gguf { alignment: 1, ..numbers },
        "the number of entries of `k` at byte 41: is 2, but the 15 bytes that are left hold \
         at most 1",
    );
}

#[test]
fn lengths_must_be_backed_by_the_file() {
    let mut key = Gguf { alignment: 1, ..Gguf::default().number("key", 1) };
    key.facts[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    check(
        &key,
        "the key of fact 0 at byte 32: takes 18446744073709551615 bytes, but the file ends \
         after 11",
    );
    let entries = [array(8, 2), string("a"), (1u64 << 63).to_le_bytes().to_vec()].concat();
    check(
        &Gguf { alignment: 1, ..Gguf::default().fact("k", 9, &entries) },
        "`k` entry 1 at byte 66: takes 9223372036854775808 bytes, but the file ends after 0",
    );
}

#[test]
fn names_must_be_text() {
    check(
        &Gguf::default().fact(b"\xff\xfe", 0, &[1]),
        "the key of fact 0 at byte 32: is not UTF-8",
    );
    check(&Gguf::default().fact("k", 8, &string(b"ab\x80")), "`k` at byte 45: is not UTF-8");
    // Two halves of one character: the text as a whole would be valid.
    let halves = [array(8, 3), string("x"), string(b"\xc3"), string(b"\xa9")].concat();
    check(&Gguf::default().fact("k", 9, &halves), "`k` entry 1 at byte 66: is not UTF-8");
    check(&Gguf::default().fact("", 0, &[1]), "the key of fact 0 at byte 24: is empty");
    check(
        &Gguf::default().entry("", &[1], 0, 0).data(4),
        "the name of tensor 0 at byte 24: is empty",
    );
}

#[test]
fn names_must_be_unique() {
    check(
        &Gguf::default().number("k", 1).number("k", 1),
        "the key `k` at byte 41: appears a second time",
    );
    check(
        &Gguf::default().entry("t", &[1], 0, 0).entry("t", &[1], 0, 32).data(64),
        "the name of tensor 1, `t`, at byte 57: appears a second time",
    );
}

#[test]
fn unknown_value_types_are_named() {
    check(
        &Gguf::default().fact("k", 13, &[0; 8]),
        "the type of `k` at byte 33: is 13; the value types are 0 to 12",
    );
    check(
        &Gguf::default().fact("k", 9, &[array(77, 0), vec![0; 8]].concat()),
        "the type of the entries of `k` at byte 37: is 77; the value types are 0 to 12",
    );
    check(&Gguf::default().fact("k", 7, &[2]), "`k` at byte 37: is 2, expected 0 or 1");
    check(
        &Gguf::default().fact("k", 9, &[array(7, 2), vec![1, 255]].concat()),
        "`k` entry 1 at byte 50: is 255, expected 0 or 1",
    );
}

#[test]
fn arrays_nest_four_deep_and_no_deeper() {
    let nest = |depth: usize| {
        let value = [array(9, 1).repeat(depth - 1), array(0, 1), vec![5]].concat();
        Gguf::default().fact("k", 9, &value)
    };
    assert!(gguf::read(&[&nest(4).bytes()]).is_ok());
    check(&nest(5), "`k` at byte 85: is nested more than 4 deep");
    // Deep enough to exhaust the stack of a reader that does not count.
    let deep = nest(1_000_000);
    check(&deep, "`k` at byte 85: is nested more than 4 deep");
}

#[test]
fn the_alignment_must_be_a_power_of_two() {
    for (alignment, message) in [
        (0u32, "`general.alignment` at byte 49: is 0, expected a power of two"),
        (48, "`general.alignment` at byte 49: is 48, expected a power of two"),
    ] {
        check(&Gguf::default().number("general.alignment", alignment), message);
    }
    check(
        &Gguf::default().fact("general.alignment", 10, &32u64.to_le_bytes()),
        "`general.alignment` at byte 49: is a u64, expected a u32",
    );
    let huge = Gguf::default().number("general.alignment", 1 << 31).entry("t", &[1], 0, 0).data(4);
    check(
        &huge,
        "the offset of tensor `t` at byte 82: is 0: the tensor's 4 bytes end past the 0 bytes of \
         tensor data",
    );
}

#[test]
fn another_alignment_moves_the_data() {
    let file = Gguf { alignment: 64, ..Gguf::default() }
        .number("general.alignment", 64)
        .entry("a", &[1], 0, 0)
        .entry("b", &[1], 0, 64)
        .data(68);
    let bytes = file.bytes();
    let checkpoint = gguf::read(&[&bytes]).unwrap();
    assert_eq!(*checkpoint.tensors["b"].bytes(), [64, 65, 66, 67]);
}

#[test]
fn shapes_must_make_sense() {
    let shape = |dims: &[u64]| Gguf::default().entry("t", dims, 0, 0).data(64);
    check(
        &shape(&[]),
        "the number of dimensions of tensor `t` at byte 33: is 0; a tensor has 1 to 4 dimensions",
    );
    check(
        &shape(&[1, 1, 1, 1, 1]),
        "the number of dimensions of tensor `t` at byte 33: is 5; a tensor has 1 to 4 dimensions",
    );
    check(&shape(&[4, 0]), "dimension 1 of tensor `t` at byte 45: is 0");
    check(
        &shape(&[1 << 32, 1 << 32]),
        "tensor `t` at byte 33: has the shape [4294967296, 4294967296], whose size overflows",
    );
    check(
        &shape(&[1 << 62]),
        "tensor `t` at byte 33: has the shape [4611686018427387904], whose size overflows",
    );
    check(
        &Gguf::default().entry("t", &[48, 2], 2, 0).data(64),
        "tensor `t` at byte 33: has rows of 48 numbers, which Q4_0 stores in blocks of 32",
    );
}

#[test]
fn tensor_types_that_are_not_read_are_named() {
    let kind = |kind| Gguf::default().entry("t", &[256], kind, 0).data(512);
    check(
        &kind(16),
        "the type of tensor `t` at byte 45: is 16, a tensor type that is not read (IQ2_XXS)",
    );
    check(
        &kind(4),
        "the type of tensor `t` at byte 45: is 4, a tensor type that is not read (Q4_2, which \
         was removed from the format)",
    );
    check(
        &kind(4_000_000_000),
        "the type of tensor `t` at byte 45: is 4000000000, a tensor type that is not read",
    );
}

#[test]
fn tensors_must_lie_in_the_file() {
    let at = |offset| Gguf::default().entry("t", &[4], 0, offset).data(64);
    check(&at(4), "the offset of tensor `t` at byte 49: is 4, not a multiple of the alignment 32");
    check(
        &at(64),
        "the offset of tensor `t` at byte 49: is 64: the tensor's 16 bytes end past the 64 bytes \
         of tensor data",
    );
    check(
        &at(u64::MAX - 31),
        "the offset of tensor `t` at byte 49: is 18446744073709551584: the tensor's 16 bytes end \
         past the 64 bytes of tensor data",
    );
}

#[test]
fn tensors_must_not_overlap() {
    let two = |a, b| Gguf::default().entry("a", &[16], 0, a).entry("b", &[16], 0, b).data(160);
    assert!(gguf::read(&[&two(0, 64).bytes()]).is_ok());
    assert!(gguf::read(&[&two(96, 0).bytes()]).is_ok(), "in any order, with a hole");
    check(&two(0, 32), "the offset of tensor `b` at byte 82: is 32, inside tensor `a`");
    check(&two(32, 0), "the offset of tensor `a` at byte 49: is 32, inside tensor `b`");
    check(&two(0, 0), "the offset of tensor `b` at byte 82: is 0, inside tensor `a`");
}

/// One part of a split model.
fn part(no: u16, count: u16, n_tensors: i32, tensors: &[&str]) -> Vec<u8> {
    let mut file = Gguf::default()
        .fact("split.no", 2, &no.to_le_bytes())
        .fact("split.count", 2, &count.to_le_bytes())
        .fact("split.tensors.count", 5, &n_tensors.to_le_bytes());
    if no == 0 {
        file = file.fact("general.architecture", 8, &string("llama"));
    }
    for (i, name) in tensors.iter().enumerate() {
        file = file.entry(name, &[1], 0, 32 * i as u64);
    }
    file.data(32 * tensors.len()).bytes()
}

fn join<'a>(parts: &[&'a [u8]]) -> Result<Checkpoint<'a>, String> {
    gguf::read(parts).map_err(|error| error.to_string())
}

#[test]
fn parts_are_joined_in_any_order() {
    let parts = [part(0, 3, 4, &["a"]), part(1, 3, 4, &["b", "c"]), part(2, 3, 4, &["d"])];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let whole = join(&order.map(|i| &parts[i][..])).unwrap();
        assert_eq!(whole.tensors.keys().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(whole.metadata, [("general.architecture", Value::from("llama"))].into());
    }
}

#[test]
fn wrong_parts_are_named() {
    let a = part(0, 2, 2, &["a"]);
    let b = part(1, 2, 2, &["b"]);
    let error = |parts: &[&[u8]]| join(parts).unwrap_err();
    assert_eq!(error(&[]), "no file was given");
    assert_eq!(error(&[&a]), "part 2 of 2 of this split model is missing");
    assert_eq!(error(&[&b]), "part 1 of 2 of this split model is missing");
    assert_eq!(error(&[&b, &b]), "file 1 and file 2 are both part 2 of this split model");
    assert_eq!(
        error(&[&a, &Gguf::example().bytes()]),
        "file 2 is a model of its own, not a part of a split model (it has no `split.count`)"
    );
    assert_eq!(
        error(&[&a, &part(1, 3, 2, &["b"])]),
        "file 2 says `split.count` is 3, but the first file says 2"
    );
    assert_eq!(
        error(&[&a, &part(1, 2, 9, &["b"])]),
        "file 2 says `split.tensors.count` is 9, but the first file says 2"
    );
    assert_eq!(error(&[&a, &part(2, 2, 2, &["b"])]), "file 2 says it is part 3 of 2");
    assert_eq!(
        error(&[&a, &part(1, 2, 2, &["a"])]),
        "tensor `a` is in file 2 and in another part of this split model"
    );
    assert_eq!(
        error(&[&a, &part(1, 2, 2, &[])]),
        "`split.tensors.count` is 2, but the parts have 1 tensors together"
    );
    assert_eq!(
        error(&[&a, b"GGUF"]),
        "file 2, the version at byte 4: takes 4 bytes, but the file ends after 0"
    );
    let many = part(0, u16::MAX, 1, &["a"]);
    assert_eq!(error(&[&many]), "part 2 of 65535 of this split model is missing");
}

#[test]
fn file_names_of_parts_are_taken_apart() {
    let name = PartName::parse("some-model-00002-of-00003.gguf").unwrap();
    assert_eq!((&name.stem[..], name.no, name.count), ("some-model", 1, 3));
    assert_eq!(name.to_string(), "some-model-00002-of-00003.gguf");
    assert_eq!(
        name.all().map(|part| part.to_string()).collect::<Vec<_>>(),
        ["1", "2", "3"].map(|no| format!("some-model-0000{no}-of-00003.gguf"))
    );
    for other in [
        "model.gguf",
        "model-00004-of-00003.gguf",
        "model-00000-of-00003.gguf",
        "model-1-of-3.gguf",
        "model-00001-of-00003.bin",
        "model-+0001-of-00003.gguf",
    ] {
        assert_eq!(PartName::parse(other), None, "{other}");
    }
}
