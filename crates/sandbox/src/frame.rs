//! What host and child say to each other through pipes: frames of a length and that many bytes.
//!
//! The host believes nothing of what comes: a frame has a largest size, a text that is no UTF-8 is
//! replaced, and what makes no sense is the end of the child.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Limits, Verdict};

/// What a child is to run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    /// The program's text.
    pub(crate) source: String,
    /// What it reads.
    pub(crate) stdin: Vec<u8>,
    /// Its folder.
    pub(crate) folder: Option<PathBuf>,
    /// Its bounds.
    pub(crate) limits: Limits,
    /// Whether variables live on, and the last expression is printed.
    pub(crate) lives_on: bool,
}

/// What a child says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// It waits for a cell.
    Ready,
    /// It cannot run anything, for this reason.
    Unable(String),
    /// A cell is over.
    Done {
        /// How it ended.
        verdict: Verdict,
        /// What it printed.
        stdout: Vec<u8>,
        /// What it complained of.
        stderr: Vec<u8>,
        /// Whether another cell can follow.
        lives: bool,
    },
}

/// The most that a cell may take: sources and inputs come from the host's own side.
pub(crate) const LARGEST_CELL_BYTES: usize = 1 << 30;

/// Sends one frame.
pub(crate) fn send(to: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a frame over 4 GiB"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(frame)?;
    to.flush()
}

/// Receives one frame of at most `largest` bytes; `None` when the other side is gone.
pub(crate) fn receive(from: &mut impl Read, largest: usize) -> io::Result<Option<Vec<u8>>> {
    receive_within(from, &AtomicUsize::new(largest))
}

/// The same, with a bound that holds when the frame begins.
pub(crate) fn receive_within(
    from: &mut impl Read,
    largest: &AtomicUsize,
) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > largest.load(Ordering::Relaxed) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame that is too large"));
    }
    let mut frame = Vec::new();
    // Memory is asked for as bytes come, not as they are announced.
    from.take(length as u64).read_to_end(&mut frame)?;
    Ok((frame.len() == length).then_some(frame))
}

impl Cell {
    /// The frame of this cell.
    pub(crate) fn to_frame(&self) -> Vec<u8> {
        let mut frame = vec![u8::from(self.lives_on), u8::from(self.folder.is_some())];
        frame.extend(self.limits.seconds.to_le_bytes());
        for limit in
            [self.limits.memory_bytes, self.limits.output_bytes as u64, self.limits.file_bytes]
        {
            frame.extend(limit.to_le_bytes());
        }
        let folder = self.folder.as_deref().map(path_to_bytes).unwrap_or_default();
        for field in [&folder, &self.stdin, self.source.as_bytes()] {
            put(&mut frame, field);
        }
        frame
    }

    /// The cell of this frame.
    pub(crate) fn from_frame(frame: &[u8]) -> Option<Self> {
        let mut rest = Rest(frame);
        let (lives_on, has_folder) = (rest.byte()? == 1, rest.byte()? == 1);
        let limits = Limits {
            seconds: f64::from_le_bytes(rest.array()?),
            memory_bytes: u64::from_le_bytes(rest.array()?),
            output_bytes: usize::try_from(u64::from_le_bytes(rest.array()?)).ok()?,
            file_bytes: u64::from_le_bytes(rest.array()?),
        };
        let folder = path_from_bytes(rest.field()?)?;
        let stdin = rest.field()?.to_vec();
        let source = String::from_utf8(rest.field()?.to_vec()).ok()?;
        let folder = has_folder.then_some(folder);
        rest.0.is_empty().then_some(Self { source, stdin, folder, limits, lives_on })
    }
}

impl Reply {
    /// The frame of this reply.
    pub(crate) fn to_frame(&self) -> Vec<u8> {
        match self {
            Self::Ready => vec![0],
            Self::Unable(reason) => [&[1], reason.as_bytes()].concat(),
            Self::Done { verdict, stdout, stderr, lives } => {
                let (kind, code, reason) = match verdict {
                    Verdict::Finished => (0u8, 0, ""),
                    Verdict::Failed { code } => (1, *code, ""),
                    Verdict::OutOfTime => (2, 0, ""),
                    Verdict::OutOfMemory => (3, 0, ""),
                    Verdict::TooMuchOutput => (4, 0, ""),
                    Verdict::TooMuchWritten => (5, 0, ""),
                    Verdict::TooDeep => (6, 0, ""),
                    Verdict::Stopped => (7, 0, ""),
                    Verdict::Killed(reason) => (8, 0, reason.as_str()),
                };
                let mut frame = vec![2, u8::from(*lives), kind];
                frame.extend(code.to_le_bytes());
                for field in [stdout.as_slice(), stderr, reason.as_bytes()] {
                    put(&mut frame, field);
                }
                frame
            }
        }
    }

    /// The reply of this frame.
    pub(crate) fn from_frame(frame: &[u8]) -> Option<Self> {
        let mut rest = Rest(frame);
        match rest.byte()? {
            0 => rest.0.is_empty().then_some(Self::Ready),
            1 => Some(Self::Unable(String::from_utf8_lossy(rest.0).into_owned())),
            2 => {
                let (lives, kind) = (rest.byte()? == 1, rest.byte()?);
                let code = i32::from_le_bytes(rest.array()?);
                let (stdout, stderr) = (rest.field()?.to_vec(), rest.field()?.to_vec());
                let reason = String::from_utf8_lossy(rest.field()?).into_owned();
                let verdict = match kind {
                    0 => Verdict::Finished,
                    1 => Verdict::Failed { code },
                    2 => Verdict::OutOfTime,
                    3 => Verdict::OutOfMemory,
                    4 => Verdict::TooMuchOutput,
                    5 => Verdict::TooMuchWritten,
                    6 => Verdict::TooDeep,
                    7 => Verdict::Stopped,
                    8 => Verdict::Killed(reason),
                    _ => return None,
                };
                rest.0.is_empty().then_some(Self::Done { verdict, stdout, stderr, lives })
            }
            _ => None,
        }
    }
}

fn put(frame: &mut Vec<u8>, field: &[u8]) {
    frame.extend((field.len() as u64).to_le_bytes());
    frame.extend(field);
}

/// What of a frame is still to be read.
struct Rest<'f>(&'f [u8]);

impl<'f> Rest<'f> {
    fn take(&mut self, length: usize) -> Option<&'f [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn field(&mut self) -> Option<&'f [u8]> {
        let length = u64::from_le_bytes(self.array()?);
        self.take(usize::try_from(length).ok()?)
    }
}

#[cfg(unix)]
fn path_to_bytes(path: &std::path::Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(not(unix))]
fn path_to_bytes(path: &std::path::Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not every path can be read")]
fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    Some(std::ffi::OsStr::from_bytes(bytes).into())
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell() -> Cell {
        Cell {
            source: "print(1)".into(),
            stdin: vec![0, 255],
            folder: Some("/a b".into()),
            limits: Limits::default(),
            lives_on: true,
        }
    }

    fn done() -> Reply {
        Reply::Done {
            verdict: Verdict::Killed("x".into()),
            stdout: b"out".to_vec(),
            stderr: vec![255],
            lives: false,
        }
    }

    #[test]
    fn frames_come_back_as_they_went() {
        let without = Cell { folder: None, lives_on: false, ..cell() };
        for cell in [cell(), without] {
            assert_eq!(Cell::from_frame(&cell.to_frame()), Some(cell));
        }
        for reply in [Reply::Ready, Reply::Unable("why".into()), done()] {
            assert_eq!(Reply::from_frame(&reply.to_frame()), Some(reply));
        }
    }

    #[test]
    fn a_frame_that_is_cut_or_too_long_is_nothing() {
        for whole in [cell().to_frame(), done().to_frame()] {
            for end in 0..whole.len() {
                assert_eq!(Cell::from_frame(&whole[..end]), None);
                let reply = Reply::from_frame(&whole[..end]);
                assert!(!matches!(reply, Some(Reply::Done { .. })), "{reply:?}");
            }
        }
        let longer = [done().to_frame(), vec![0]].concat();
        assert_eq!(Reply::from_frame(&longer), None);
    }

    #[test]
    fn an_announced_length_asks_for_no_memory() {
        let announced = u32::MAX.to_le_bytes();
        assert!(receive(&mut announced.as_slice(), 1 << 20).is_err());
        assert_eq!(receive(&mut announced.as_slice(), usize::MAX).unwrap(), None);
        assert_eq!(receive(&mut [].as_slice(), 10).unwrap(), None);
        let mut sent = Vec::new();
        send(&mut sent, b"abc").unwrap();
        assert_eq!(receive(&mut sent.as_slice(), 3).unwrap().as_deref(), Some(&b"abc"[..]));
        assert!(receive(&mut sent.as_slice(), 2).is_err());
    }
}
