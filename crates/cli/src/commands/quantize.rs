//! `mynah quantize`: stores a model's weights in fewer bits.

use std::path::PathBuf;

use mynah_model::quantize::Recipe;

use crate::models;
use crate::store::{self, Target};
use crate::terminal::Terminal;

/// Store a model's weights in fewer bits, so that it takes less memory and runs faster
///
/// The recipes, from the largest files to the smallest: f32, f16, bf16, q8_0, q6_k, q5_k_m, q5_k_s,
/// q5_1, q5_0, q4_k_m, q4_k_s, q4_1, q4_0, iq4_nl, iq4_xs, q3_k_l, q3_k_m, q3_k_s, q2_k; mxfp4 and
/// mxfp4_moe are for models that were trained for them. q4_k_m is a good start. Some tensors get
/// more bits than the name says: those on which the answer depends most.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How to store the weights
    recipe: Recipe,
    /// The model: a GGUF file, a folder as on Hugging Face, or a name that `mynah list` shows
    model: String,
    /// The file to write; a folder to give the file the model's name
    #[arg(value_name = "FILE")]
    target: PathBuf,
    #[command(flatten)]
    writing: store::Options,
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let files = models::resolve_or_pull(Some(&args.model), terminal)?;
    let target = Target { path: &args.target, recipe: Some(args.recipe) };
    store::write(&files, &target, &args.writing, terminal)
}
