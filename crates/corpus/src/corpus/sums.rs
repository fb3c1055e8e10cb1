//! Which bytes a source consists of.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::error::Doing as _;
use crate::hash::hexadecimal;

/// The sum of a source: of its only file's bytes, or of the sums and names of several.
pub(super) fn sum_of(files: &[PathBuf], root: &Path) -> Result<String, Error> {
    let mut sums = Vec::new();
    for path in files {
        sums.push((place_of(path, root), sum_of_file(path)?.0));
    }
    Ok(combined(&sums))
}

pub(super) fn combined(sums: &[(String, String)]) -> String {
    match sums {
        [(_, sum)] => sum.clone(),
        sums => {
            let mut all = Sha256::new();
            for (place, sum) in sums {
                all.update(format!("{sum}  {place}\n"));
            }
            hexadecimal(&all.finalize())
        }
    }
}

/// The sum of a file's bytes, and how many they are.
pub(super) fn sum_of_file(path: &Path) -> Result<(String, u64), Error> {
    let mut file = File::open(path).doing("read", path)?;
    let (mut sum, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).doing("read", path)? {
            0 => return Ok((hexadecimal(&sum.finalize()), bytes)),
            n => {
                sum.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
}

/// A file's name in its source.
pub(super) fn place_of(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
