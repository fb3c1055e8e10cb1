//! What is stored in other formats, and how.

use mynah_kernels::format::{Format, dequantize, quantize};
use mynah_model::checkpoint::{Checkpoint, Data, Metadata, Tensor, Value};
use mynah_model::gguf;
use mynah_model::quantize::{Plan, Recipe};

/// Numbers like those of weights, the same in every run.
fn numbers(n: usize) -> Vec<f32> {
    let mut state = 1u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..n).map(step).collect()
}

fn tensor(shape: &[usize]) -> Tensor<'static> {
    let n = shape.iter().product();
    let bytes: Vec<u8> = numbers(n).iter().flat_map(|x| x.to_le_bytes()).collect();
    let data = Data::Derived(Box::new(move || bytes.clone()));
    Tensor { shape: shape.to_vec(), format: Format::F32, data }
}

/// A model of 16 layers with rows of 256 and 512, whose values are shared by two heads.
fn model() -> Checkpoint<'static> {
    let metadata = Metadata::from([
        ("general.architecture", Value::from("llama")),
        ("llama.block_count", Value::U32(16)),
        ("llama.attention.head_count", Value::U32(4)),
        ("llama.attention.head_count_kv", Value::U32(2)),
    ]);
    let mut model = Checkpoint { metadata, ..Checkpoint::default() };
    let mut add = |name: String, shape: &[usize]| model.tensors.insert(name, tensor(shape));
    add("token_embd.weight".into(), &[256, 4]);
    add("output.weight".into(), &[256, 4]);
    add("output_norm.weight".into(), &[256]);
    for layer in 0..16 {
        for (name, shape) in [
            ("attn_norm.weight", &[256][..]),
            ("attn_q.weight", &[256, 2]),
            ("attn_q.bias", &[2]),
            ("attn_k.weight", &[256, 2]),
            ("attn_v.weight", &[256, 2]),
            ("attn_output.weight", &[256, 2]),
            ("ffn_gate_inp.weight", &[256, 2]),
            ("ffn_up.weight", &[256, 2]),
            ("ffn_down.weight", &[512, 2]),
        ] {
            add(format!("blk.{layer}.{name}"), shape);
        }
    }
    model
}

/// The layers in which a tensor has a format.
fn layers(model: &Checkpoint, recipe: Recipe, name: &str, format: Format) -> Vec<usize> {
    let plan = Plan::new(model, Some(recipe)).expect("a valid model");
    let is = |layer: &usize| {
        let name = format!("blk.{layer}.{name}.weight");
        plan.steps().iter().any(|step| step.entry.name == name && step.entry.format == format)
    };
    (0..16).filter(is).collect()
}

/// The format of a tensor outside the layers.
fn format_of(model: &Checkpoint, recipe: Recipe, name: &str) -> Format {
    let plan = Plan::new(model, Some(recipe)).expect("a valid model");
    let found = plan.steps().iter().find(|step| step.entry.name == name);
    found.map_or_else(|| panic!("no {name}"), |step| step.entry.format)
}

#[test]
fn mixtures_give_more_bits_where_llama_cpp_does() {
    let model = model();
    let all: Vec<_> = (0..16).collect();
    let ends_and_thirds = [0, 1, 4, 7, 10, 13, 14, 15];
    assert_eq!(layers(&model, Recipe::Q4_K_M, "ffn_down", Format::Q6_K), ends_and_thirds);
    assert_eq!(layers(&model, Recipe::Q4_K_M, "attn_v", Format::Q6_K), ends_and_thirds);
    assert_eq!(layers(&model, Recipe::Q4_K_M, "ffn_up", Format::Q4_K), all);
    assert_eq!(layers(&model, Recipe::Q4_K_S, "ffn_down", Format::Q5_K), [0, 1]);
    assert_eq!(layers(&model, Recipe::Q4_K_S, "attn_v", Format::Q5_K), [0, 1, 2, 3]);
    assert_eq!(layers(&model, Recipe::Q5_K_M, "ffn_down", Format::Q6_K), ends_and_thirds);
    assert_eq!(layers(&model, Recipe::Q3_K_M, "ffn_down", Format::Q5_K), [0]);
    assert_eq!(layers(&model, Recipe::Q3_K_M, "attn_v", Format::Q5_K), [0, 1]);
    assert_eq!(layers(&model, Recipe::Q3_K_M, "attn_output", Format::Q4_K), all);
    assert_eq!(layers(&model, Recipe::Q2_K, "ffn_down", Format::Q3_K), all);
    assert_eq!(layers(&model, Recipe::IQ4_XS, "ffn_down", Format::Q5_K), [0, 1]);
    assert_eq!(layers(&model, Recipe::Q4_0, "ffn_down", Format::Q4_0), all);
}

#[test]
fn the_output_is_finer_and_so_are_tied_embeddings() {
    let mut model = model();
    for (recipe, output) in [
        (Recipe::Q4_0, Format::Q6_K),
        (Recipe::Q8_0, Format::Q8_0),
        (Recipe::Q2_K, Format::Q6_K),
        (Recipe::MXFP4, Format::Q8_0),
        (Recipe::F16, Format::F16),
    ] {
        assert_eq!(format_of(&model, recipe, "output.weight"), output);
    }
    assert_eq!(format_of(&model, Recipe::Q4_0, "token_embd.weight"), Format::Q4_0);
    model.tensors.remove("output.weight");
    assert_eq!(format_of(&model, Recipe::Q4_0, "token_embd.weight"), Format::Q6_K);
}

#[test]
fn small_tensors_keep_their_precision() {
    let model = model();
    for recipe in Recipe::ALL {
        let plan = Plan::new(&model, Some(recipe)).unwrap();
        for step in plan.steps() {
            let small =
                ["norm", "bias", "gate_inp"].iter().any(|part| step.entry.name.contains(part));
            let kept = step.entry.format == Format::F32;
            assert_eq!(kept, small || recipe == Recipe::F32, "{recipe}: {}", step.entry.name);
        }
    }
}

#[test]
fn rows_that_do_not_fit_get_smaller_blocks() {
    let mut model = model();
    let mut with_row = |row: usize, recipe: Recipe| {
        model.tensors.insert("blk.5.ffn_up.weight".into(), tensor(&[row, 1, 2]));
        format_of(&model, recipe, "blk.5.ffn_up.weight")
    };
    for (recipe, smaller) in [
        (Recipe::Q2_K, Format::Q4_0),
        (Recipe::Q3_K_M, Format::Q4_0),
        (Recipe::Q4_K_M, Format::Q5_0),
        (Recipe::Q5_K_M, Format::Q5_1),
        (Recipe::Q6_K, Format::Q8_0),
        (Recipe::IQ4_XS, Format::IQ4_NL),
    ] {
        assert_eq!(with_row(288, recipe), smaller, "{recipe}");
        assert_eq!(with_row(40, recipe), Format::F16, "{recipe}");
    }
    assert_eq!(with_row(40, Recipe::Q8_0), Format::F16);
}

#[test]
fn experts_are_told_by_their_layer() {
    let mut model = model();
    model.metadata.insert("llama.expert_count".into(), Value::U32(8));
    for layer in 0..16 {
        model.tensors.remove(&format!("blk.{layer}.ffn_down.weight"));
    }
    // One in the last layer only: the first that is met, but near the end.
    model.tensors.insert("blk.15.ffn_down_exps.weight".into(), tensor(&[256, 1, 2]));
    assert_eq!(format_of(&model, Recipe::Q4_K_M, "blk.15.ffn_down_exps.weight"), Format::Q6_K);
    assert_eq!(format_of(&model, Recipe::MXFP4_MOE, "blk.15.ffn_down_exps.weight"), Format::MXFP4);
    assert_eq!(format_of(&model, Recipe::MXFP4_MOE, "blk.15.ffn_up.weight"), Format::Q8_0);
    assert_eq!(format_of(&model, Recipe::Q4_0, "blk.3.attn_k.weight"), Format::Q8_0);
}

#[test]
fn recipes_go_by_name() {
    for recipe in Recipe::ALL {
        assert_eq!(recipe.to_string().parse(), Ok(recipe));
        assert_eq!(recipe.to_string().to_uppercase().parse(), Ok(recipe));
    }
    assert_eq!("Q4_K".parse(), Ok(Recipe::Q4_K_M));
    let error = "q9".parse::<Recipe>().unwrap_err().to_string();
    assert!(
        error.starts_with("there is no recipe `q9`; these are: f32, f16, bf16, q8_0"),
        "{error}"
    );
}

fn written(plan: &Plan, n_threads: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut names = Vec::new();
    let n = plan.write(n_threads, &mut bytes, &mut |step| names.push(step.entry.name.clone()));
    assert_eq!(n.expect("a buffer takes everything"), bytes.len() as u64);
    assert!(names.iter().eq(plan.steps().iter().map(|step| &step.entry.name)));
    bytes
}

#[test]
fn every_recipe_stores_what_its_formats_make_of_the_numbers() {
    let model = model();
    for recipe in Recipe::ALL {
        let plan = Plan::new(&model, Some(recipe)).unwrap();
        let bytes = written(&plan, 1);
        assert_eq!(written(&plan, 3), bytes, "{recipe}: on any number of threads");
        let again = gguf::read(&[&bytes]).unwrap();
        assert_eq!(again.metadata.u32("general.file_type"), Ok(recipe.file_type()));
        for (name, tensor) in &again.tensors {
            let mut expected = vec![0; tensor.n_bytes()];
            quantize(tensor.format, &numbers(tensor.n_elements()), &mut expected);
            assert_eq!(*tensor.bytes(), expected, "{recipe}: {name} in {}", tensor.format);
        }
    }
}

#[test]
fn a_tensor_of_many_pieces_is_stored_like_one() {
    let mut model = model();
    model.tensors.clear();
    // More rows than two threads take at once, and a last piece that is not full.
    let (row, n_rows) = (256, 12_345);
    model.tensors.insert("token_embd.weight".into(), tensor(&[row, n_rows]));
    let plan = Plan::new(&model, Some(Recipe::Q8_0)).unwrap();
    let bytes = written(&plan, 2);
    let again = gguf::read(&[&bytes]).unwrap();
    let mut expected = vec![0; row * n_rows / 32 * 34];
    quantize(Format::Q8_0, &numbers(row * n_rows), &mut expected);
    assert_eq!(*again.tensors["token_embd.weight"].bytes(), expected);

    // And back to single precision, from one format of blocks to another.
    let wide = Plan::new(&again, Some(Recipe::F32)).unwrap();
    assert_eq!((wide.n_requantized(), plan.n_requantized()), (0, 0));
    assert_eq!(Plan::new(&again, Some(Recipe::Q4_0)).unwrap().n_requantized(), 1);
    let bytes = written(&wide, 2);
    let numbers = gguf::read(&[&bytes]).unwrap().tensors["token_embd.weight"].bytes().into_owned();
    let mut expected_numbers = vec![0.0; row * n_rows];
    dequantize(Format::Q8_0, &expected, &mut expected_numbers);
    let expected: Vec<u8> = expected_numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn without_a_recipe_everything_stays() {
    let model = model();
    let plan = Plan::new(&model, None).unwrap();
    let mut plain = Vec::new();
    gguf::write(&model, &mut plain).unwrap();
    assert_eq!(written(&plan, 2), plain);
}

#[test]
fn a_model_is_split_into_parts_that_join() {
    let model = model();
    let plan = Plan::new(&model, Some(Recipe::Q4_0)).unwrap();
    let parts = plan.parts(4_000).unwrap();
    assert!(parts.len() > 3);
    let files: Vec<Vec<u8>> = (0..parts.len())
        .map(|no| {
            let mut bytes = Vec::new();
            plan.write_part(&parts, no, 1, &mut bytes, &mut |_| {}).unwrap();
            bytes
        })
        .collect();
    for part in &parts {
        let n_bytes: u64 = plan.steps()[part.clone()].iter().map(|step| step.n_bytes).sum();
        assert!(n_bytes <= 4_000 || part.len() == 1);
    }
    let slices: Vec<&[u8]> = files.iter().rev().map(Vec::as_slice).collect();
    let joined = gguf::read(&slices).unwrap();
    let mut whole = Vec::new();
    gguf::write(&joined, &mut whole).unwrap();
    assert_eq!(whole, written(&plan, 1));
    assert_eq!(plan.parts(1).unwrap().len(), plan.steps().len(), "a tensor is not cut");
    let empty = Checkpoint { metadata: model.metadata.clone(), ..Checkpoint::default() };
    assert_eq!(Plan::new(&empty, None).unwrap().parts(1).unwrap().len(), 1);
}

#[test]
fn numbers_that_cannot_be_stored_are_named() {
    let with = |number: f32, to: Recipe| {
        let mut model = model();
        let mut bytes = model.tensors["blk.3.ffn_up.weight"].bytes().into_owned();
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&number.to_le_bytes());
        let data = Data::Derived(Box::new(move || bytes.clone()));
        let tensor = Tensor { shape: vec![256, 2], format: Format::F32, data };
        model.tensors.insert("blk.3.ffn_up.weight".into(), tensor);
        let plan = Plan::new(&model, Some(to)).unwrap();
        plan.write(2, Vec::new(), &mut |_| {}).map_err(|error| error.to_string())
    };
    let said = |format: &str| {
        format!(
            "tensor `blk.3.ffn_up.weight` has a number that is NaN, infinite or too large for \
             {format} in row 1"
        )
    };
    assert_eq!(with(f32::NAN, Recipe::Q4_0), Err(said("Q4_0")));
    assert_eq!(with(f32::INFINITY, Recipe::Q4_K_M), Err(said("Q4_K")));
    assert_eq!(with(1e6, Recipe::F16), Err(said("F16")));
    assert_eq!(with(f32::NAN, Recipe::F32), Err(said("F32")), "and what is only copied");
    assert!(with(1e6, Recipe::BF16).is_ok());
}

#[test]
fn a_model_without_layers_is_refused() {
    let mut model = model();
    model.metadata.remove("llama.block_count");
    let error = Plan::new(&model, Some(Recipe::Q4_0)).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("the model does not say `llama.block_count`"));
}
