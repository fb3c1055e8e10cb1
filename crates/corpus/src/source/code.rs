//! Source code: a document for each file.

use std::io::BufRead;
use std::path::Path;

use super::{Record, Sink, whole};
use crate::Error;
use crate::licence;

/// How the names of files with code end.
const ENDS: [&str; 52] = [
    "rs", "py", "pyi", "js", "mjs", "cjs", "ts", "tsx", "jsx", "c", "h", "cc", "cpp", "cxx", "hpp",
    "hh", "cs", "java", "kt", "kts", "scala", "go", "rb", "php", "swift", "m", "mm", "pl", "pm",
    "lua", "r", "jl", "hs", "ml", "mli", "ex", "exs", "erl", "clj", "lisp", "el", "scm", "zig",
    "nim", "sh", "bash", "sql", "toml", "yaml", "yml", "css", "tex",
];
/// Files with code whose names do not end so.
const NAMES: [&str; 3] = ["makefile", "dockerfile", "cmakelists.txt"];
/// Code in which lines are longer on average was made by a machine.
///
/// Source: Kocetkov et al. 2022, "The Stack" (files with lines of more than 100 characters on
/// average are left out).
const LONGEST_MEAN_LINE: usize = 100;

/// Whether a file is code, by how its name ends and by its name, both in small letters.
pub(super) fn is_code(end: &str, name: &str) -> bool {
    ENDS.contains(&end) || NAMES.contains(&name)
}

pub(super) fn read(path: &Path, from: &mut dyn BufRead, sink: &mut Sink<'_>) -> Result<(), Error> {
    let text = whole(path, from)?;
    let n_lines = text.lines().count().max(1);
    if text.chars().count() / n_lines > LONGEST_MEAN_LINE {
        return Ok(());
    }
    let licence = licence::of_header(&text);
    sink(Record { text, licence, ..Record::default() })
}
