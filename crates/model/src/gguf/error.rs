//! What can be wrong with a GGUF file.

/// Why bytes are not a GGUF model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GgufError {
    /// There is nothing to read.
    #[error("no file was given")]
    NoParts,
    /// A field of a file is not what it must be.
    #[error("{place}: {problem}")]
    Field {
        /// Which field.
        place: Place,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A part of a split model was not given.
    #[error("part {} of {count} of this split model is missing", no + 1)]
    MissingPart {
        /// The part's number, from 0.
        no: u64,
        /// How many parts there are.
        count: u64,
    },
    /// One part of a split model was given twice.
    #[error("file {} and file {} are both part {} of this split model", first + 1, second + 1, no + 1)]
    SamePart {
        /// The part's number, from 0.
        no: u64,
        /// Where it was given, from 0.
        first: usize,
        /// Where it was given again, from 0.
        second: usize,
    },
    /// Several files were given and one is not a part of a split model.
    #[error("file {} is a model of its own, not a part of a split model (it has no `split.count`)", file + 1)]
    NotAPart {
        /// Which of the files given, from 0.
        file: usize,
    },
    /// Two files do not belong together.
    #[error("file {} says `{key}` is {got}, but the first file says {expected}", file + 1)]
    OtherModel {
        /// Which of the files given, from 0.
        file: usize,
        /// The key they disagree on.
        key: &'static str,
        /// What the first file says.
        expected: u64,
        /// What this file says.
        got: u64,
    },
    /// A part's number is beyond the number of parts.
    #[error("file {} says it is part {} of {count}", file + 1, no + 1)]
    PartNumber {
        /// Which of the files given, from 0.
        file: usize,
        /// The part's number, from 0.
        no: u64,
        /// How many parts there are.
        count: u64,
    },
    /// Two parts have a tensor of one name.
    #[error("tensor `{name}` is in file {} and in another part of this split model", file + 1)]
    TwoParts {
        /// The tensor.
        name: String,
        /// Which of the files given, from 0, has it again.
        file: usize,
    },
    /// The parts have not the number of tensors that they promise.
    #[error("`split.tensors.count` is {expected}, but the parts have {got} tensors together")]
    TensorCount {
        /// What the files promise.
        expected: u64,
        /// How many tensors the parts have.
        got: u64,
    },
}

/// A field of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which of the files given, from 0; `None` if there is just one.
    pub file: Option<usize>,
    /// The field's name, such as "the length of the key of fact 3".
    pub field: String,
    /// Where the field begins, from the start of the file.
    pub offset: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = self.file {
            write!(f, "file {}, ", file + 1)?;
        }
        write!(f, "{} at byte {}", self.field, self.offset)
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file ends inside the field.
    #[error("takes {needed} bytes, but the file ends after {left}")]
    Truncated {
        /// How many bytes the field takes.
        needed: u64,
        /// How many there are.
        left: u64,
    },
    /// The file does not begin as GGUF does.
    #[error("is {got:?}, not \"GGUF\": this is not a GGUF file")]
    Magic {
        /// How it begins.
        got: String,
    },
    /// The file is big endian.
    #[error("has its bytes reversed: big-endian files are not read, convert it to little endian")]
    BigEndian,
    /// Another version of the format.
    #[error("is {got}; versions 2 and 3 are read")]
    Version {
        /// The file's version.
        got: u32,
    },
    /// A count that what is left of the file cannot hold.
    #[error("is {count}, but the {left} bytes that are left hold at most {most}")]
    Count {
        /// How many entries the file says there are.
        count: u64,
        /// How many would fit.
        most: u64,
        /// How many bytes are left.
        left: u64,
    },
    /// Not text.
    #[error("is not UTF-8")]
    NotUtf8,
    /// A name without letters.
    #[error("is empty")]
    Empty,
    /// A name that was used before.
    #[error("appears a second time")]
    Duplicate,
    /// A type of value that the format does not have.
    #[error("is {got}; the value types are 0 to 12")]
    ValueType {
        /// The file's number.
        got: u32,
    },
    /// A truth value that is neither.
    #[error("is {got}, expected 0 or 1")]
    Bool {
        /// The file's number.
        got: u8,
    },
    /// Arrays of arrays of arrays and so on.
    #[error("is nested more than {most} deep")]
    Depth {
        /// How deep arrays may be nested.
        most: usize,
    },
    /// A number that must be a power of two.
    #[error("is {got}, expected a power of two")]
    NotPowerOfTwo {
        /// The file's number.
        got: u64,
    },
    /// A fact that must be of a certain type.
    #[error("is {got}, expected {expected}")]
    Kind {
        /// What it must be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// Too many or no dimensions.
    #[error("is {got}; a tensor has 1 to 4 dimensions")]
    Dimensions {
        /// The file's number.
        got: u32,
    },
    /// A dimension without extent.
    #[error("is 0")]
    Zero,
    /// A shape whose product does not fit.
    #[error("has the shape {shape:?}, whose size overflows")]
    Overflow {
        /// The sizes, the length of a row first.
        shape: Vec<u64>,
    },
    /// A way to store numbers that mynah does not read.
    #[error("is {got}, a tensor type that is not read{}", known_elsewhere(*got))]
    TensorType {
        /// The file's number.
        got: u32,
    },
    /// Rows that are not a whole number of blocks.
    #[error("has rows of {row} numbers, which {format} stores in blocks of {block}")]
    Row {
        /// The length of a row.
        row: usize,
        /// The tensor's format.
        format: &'static str,
        /// How many numbers a block of it holds.
        block: usize,
    },
    /// An offset between the aligned places.
    #[error("is {got}, not a multiple of the alignment {alignment}")]
    Unaligned {
        /// The offset.
        got: u64,
        /// What it must be a multiple of.
        alignment: usize,
    },
    /// Bytes outside the file.
    #[error("is {got}: the tensor's {size} bytes end past the {available} bytes of tensor data")]
    Outside {
        /// The offset.
        got: u64,
        /// How many bytes the tensor takes.
        size: usize,
        /// How many bytes there are.
        available: usize,
    },
    /// Bytes that belong to another tensor too.
    #[error("is {got}, inside tensor `{other}`")]
    Overlap {
        /// The offset.
        got: usize,
        /// The tensor that was there before.
        other: String,
    },
}

/// The name of a tensor type that exists but is not read.
///
/// Source: ggml's `enum ggml_type`.
fn known_elsewhere(number: u32) -> String {
    let name = match number {
        4 => "Q4_2, which was removed from the format",
        5 => "Q4_3, which was removed from the format",
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        21 => "IQ3_S",
        22 => "IQ2_S",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        40 => "NVFP4",
        _ => return String::new(),
    };
    format!(" ({name})")
}
