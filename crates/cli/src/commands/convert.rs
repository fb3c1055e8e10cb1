//! `mynah convert`: writes a model as a GGUF file.

use std::path::PathBuf;

use mynah_model::quantize::Recipe;

use crate::models;
use crate::store::{self, Target};
use crate::terminal::Terminal;

/// Write a model as a GGUF file, from a folder as on Hugging Face or from another GGUF file
///
/// Weights keep their precision unless --to says otherwise. llama.cpp and the programs around it
/// read the file.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The model: a folder, a GGUF file, or a name that `mynah list` shows
    model: String,
    /// The file to write; a folder to give the file the model's name
    #[arg(value_name = "FILE")]
    target: PathBuf,
    /// Store the weights in this precision: f32, f16, bf16 or q8_0; `mynah quantize` knows more
    #[arg(long, value_name = "PRECISION", value_parser = precision)]
    to: Option<Recipe>,
    #[command(flatten)]
    writing: store::Options,
}

/// The recipes that `--to` takes.
fn precision(name: &str) -> Result<Recipe, String> {
    match name.parse() {
        Ok(recipe @ (Recipe::F32 | Recipe::F16 | Recipe::BF16 | Recipe::Q8_0)) => Ok(recipe),
        Ok(_) => Err(format!("use `mynah quantize {name} …` for that")),
        Err(_) => Err("the precisions are f32, f16, bf16 and q8_0".to_owned()),
    }
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    let files = models::resolve_or_pull(Some(&args.model), terminal)?;
    let target = Target { path: &args.target, recipe: args.to };
    store::write(&files, &target, &args.writing, terminal)
}
