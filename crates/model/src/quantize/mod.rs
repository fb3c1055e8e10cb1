//! Stores a model in other formats.
//!
//! A [`Plan`] says which format each tensor gets; writing it goes tensor by tensor and a few
//! megabytes at a time, so a model of any size is converted in little memory.

mod recipe;
mod rows;

use std::io::Write;
use std::ops::Range;

use mynah_kernels::format::Format;

use crate::checkpoint::Checkpoint;
use crate::gguf::{Entry, WriteError, Writer, order, split_facts};
use crate::metadata::{Metadata, MetadataError, Value};

pub use recipe::{Recipe, UnknownRecipe};

/// Why a model could not be stored in other formats.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// The model does not say what it is.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The output failed, or cannot hold a tensor.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A number is NaN or infinite, or too large for the format it is to be stored in.
    #[error(
        "tensor `{name}` has a number that is NaN, infinite or too large for {format} in row {row}"
    )]
    NotFinite {
        /// The tensor.
        name: String,
        /// The row, from 0, over all of its dimensions.
        row: usize,
        /// The format.
        format: Format,
    },
    /// More parts than file names can count.
    #[error("parts of {max_bytes} bytes would be {count} files; 65535 is the limit")]
    TooManyParts {
        /// How large a part may be.
        max_bytes: u64,
        /// How many there would be.
        count: usize,
    },
}

/// What happens to one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is written.
    pub entry: Entry,
    /// How it is stored now.
    pub from: Format,
    /// How many bytes it takes when written.
    pub n_bytes: u64,
}

/// What happens to a model.
pub struct Plan<'c, 'a> {
    source: &'c Checkpoint<'a>,
    metadata: Metadata,
    steps: Vec<Step>,
}

impl<'c, 'a> Plan<'c, 'a> {
    /// Plans to store a model by a recipe; without one, as it is.
    ///
    /// # Errors
    /// If the model does not say its architecture and layers, or has a tensor that GGUF cannot
    /// hold.
    pub fn new(source: &'c Checkpoint<'a>, recipe: Option<Recipe>) -> Result<Self, QuantizeError> {
        let mut metadata = source.metadata.clone();
        let formats = if let Some(recipe) = recipe {
            metadata.insert("general.file_type".into(), Value::U32(recipe.file_type()));
            metadata.insert("general.quantization_version".into(), Value::U32(2));
            recipe::formats(source, recipe)?
        } else {
            let names = order(source.tensors.keys().map(String::as_str)).into_iter();
            names.map(|name| (name.to_owned(), source.tensors[name].format)).collect()
        };
        let step = |(name, format): (String, Format)| {
            let tensor = &source.tensors[&name];
            let entry = Entry { name, shape: tensor.shape.clone(), format };
            let n_bytes = entry.n_bytes()?;
            Ok(Step { entry, from: tensor.format, n_bytes })
        };
        let steps = formats.into_iter().map(step).collect::<Result<_, WriteError>>()?;
        Ok(Self { source, metadata, steps })
    }

    /// What happens to each tensor, in the order of writing.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many bytes all tensors take when written.
    pub fn n_bytes(&self) -> u64 {
        self.steps.iter().map(|step| step.n_bytes).sum()
    }

    /// How many tensors lose precision a second time: they are stored in blocks now and will be in
    /// other ones.
    pub fn n_requantized(&self) -> usize {
        let coarse = |format: Format| format.block_len() > 1;
        let again = |step: &&Step| {
            coarse(step.from) && coarse(step.entry.format) && step.from != step.entry.format
        };
        self.steps.iter().filter(again).count()
    }

    /// Which steps go into which file, if a file's tensors are to take at most `max_bytes` together
    /// where that is possible.
    pub fn parts(&self, max_bytes: u64) -> Result<Vec<Range<usize>>, QuantizeError> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut size = 0u64;
        for (i, step) in self.steps.iter().enumerate() {
            match parts.last_mut() {
                Some(part) if size.saturating_add(step.n_bytes) <= max_bytes => part.end = i + 1,
                _ => {
                    size = 0;
                    parts.push(i..i + 1);
                }
            }
            size += step.n_bytes;
        }
        if parts.is_empty() {
            // A vocabulary without weights is a file too.
            parts.push(0..0);
        }
        if parts.len() > u16::MAX as usize {
            return Err(QuantizeError::TooManyParts { max_bytes, count: parts.len() });
        }
        Ok(parts)
    }

    /// Writes the whole model, and returns how many bytes that took.
    ///
    /// `after` is told after each tensor which it was.
    ///
    /// # Errors
    /// If the output fails or a number is not finite.
    pub fn write(
        &self,
        n_threads: usize,
        out: impl Write,
        after: &mut dyn FnMut(&Step),
    ) -> Result<u64, QuantizeError> {
        self.write_steps(&self.metadata, 0..self.steps.len(), n_threads, out, after)
    }

    /// Writes one of the files that [`Plan::parts`] makes of the model.
    ///
    /// # Panics
    /// If there is no part of this number.
    pub fn write_part(
        &self,
        parts: &[Range<usize>],
        no: usize,
        n_threads: usize,
        out: impl Write,
        after: &mut dyn FnMut(&Step),
    ) -> Result<u64, QuantizeError> {
        // Only the first part has the model's facts.
        let mut metadata = if no == 0 { self.metadata.clone() } else { Metadata::new() };
        metadata.extend(split_facts(no as u16, parts.len() as u16, self.steps.len() as i32));
        self.write_steps(&metadata, parts[no].clone(), n_threads, out, after)
    }

    fn write_steps(
        &self,
        metadata: &Metadata,
        steps: Range<usize>,
        n_threads: usize,
        out: impl Write,
        after: &mut dyn FnMut(&Step),
    ) -> Result<u64, QuantizeError> {
        let steps = &self.steps[steps];
        let entries = steps.iter().map(|step| step.entry.clone()).collect();
        let mut writer = Writer::new(out, metadata, entries)?;
        for step in steps {
            let tensor = &self.source.tensors[&step.entry.name];
            rows::write(step, &tensor.bytes(), n_threads, &mut writer)?;
            after(step);
        }
        Ok(writer.finish()?)
    }
}
