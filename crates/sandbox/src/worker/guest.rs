//! What one program has, and how much of it is left.

use std::io;
use std::sync::mpsc::Receiver;

use wasmtime::ResourceLimiter;

use super::preview1::Descriptors;
use crate::frame::{self, Cell, LARGEST_CELL_BYTES, Reply};
use crate::{Limits, Verdict};

/// How many files and folders a program may make.
const MOST_MADE: u32 = 1024;

/// Why the guest is ended from outside; travels through Wasmtime as an error.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A bound was reached.
    By(Verdict),
    /// It asked to be ended, with this code.
    Exit(i32),
    /// The host is gone.
    Abandoned,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Ended {}

/// Gives up what the first cell has no need of, and starts the threads that watch over it.
pub(crate) type OpenUp = Box<dyn FnOnce(&Cell) -> Result<Receiver<Cell>, String> + Send>;

/// The state behind the functions that a guest calls.
pub(crate) struct Guest {
    /// Its open files.
    pub(crate) descriptors: Descriptors,
    /// Its memory, once it has one.
    pub(crate) memory: Option<wasmtime::Memory>,
    /// The arguments it finds.
    pub(crate) arguments: Vec<Vec<u8>>,
    /// Its clock, in nanoseconds.
    pub(crate) clock: Clock,
    /// Its randomness.
    pub(crate) random: Random,
    /// What is to be done once the first cell is here: what it gives is where later ones come from.
    open_up: Option<OpenUp>,
    cells: Option<Receiver<Cell>>,
    /// What the guest has still to read of its cell, and of standard input.
    pub(crate) source: Input,
    pub(crate) stdin: Input,
    /// Its bounds, as given with the cell.
    limits: Limits,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    written_bytes: u64,
    made: u32,
    was_refused_memory: bool,
    /// What the interpreter says of the cell's end.
    result: Option<Vec<u8>>,
    is_in_cell: bool,
}

/// Bytes of which a part has been read.
#[derive(Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    at: usize,
}

impl Input {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    /// Copies what fits into `buffer`, and how much that was.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let rest = &self.bytes[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        count
    }

    fn is_over(&self) -> bool {
        self.at == self.bytes.len()
    }
}

/// A clock that goes on by itself: a little with every look at it, and by what was waited for.
///
/// So a program that waits is not waited for, and one that measures itself is told the same always.
pub(crate) struct Clock {
    nanoseconds: u64,
}

/// When every program begins: the first second of 2025.
const BEGINNING_NS: u64 = 1_735_689_600 * 1_000_000_000;
/// How long it takes to look at the clock.
const LOOK_NS: u64 = 1_000;

impl Clock {
    fn new() -> Self {
        Self { nanoseconds: BEGINNING_NS }
    }

    /// The time of day; what passed since the beginning is the time of the steady clock.
    pub(crate) fn look(&mut self, is_steady: bool) -> u64 {
        self.wait(LOOK_NS);
        if is_steady { self.nanoseconds - BEGINNING_NS } else { self.nanoseconds }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, nanoseconds: u64) {
        self.nanoseconds = self.nanoseconds.saturating_add(nanoseconds);
    }

    /// Lets time pass until the clock shows `until`.
    pub(crate) fn wait_until(&mut self, until: u64, is_steady: bool) {
        let until = if is_steady { until.saturating_add(BEGINNING_NS) } else { until };
        self.nanoseconds = self.nanoseconds.max(until);
    }
}

/// SplitMix64 from a fixed seed.
///
/// Source: Steele, Lea & Flood 2014, "Fast Splittable Pseudorandom Number Generators".
pub(crate) struct Random(u64);

impl Random {
    /// Fills `buffer`.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) {
        for piece in buffer.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            piece.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..piece.len()]);
        }
    }
}

impl Guest {
    /// A guest that has been given nothing yet.
    pub(crate) fn new(arguments: Vec<Vec<u8>>, open_up: OpenUp) -> Self {
        Self {
            descriptors: Descriptors::new(),
            memory: None,
            arguments,
            clock: Clock::new(),
            random: Random(0),
            open_up: Some(open_up),
            cells: None,
            source: Input::default(),
            stdin: Input::default(),
            limits: Limits::default(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            written_bytes: 0,
            made: 0,
            was_refused_memory: false,
            result: None,
            is_in_cell: false,
        }
    }

    /// Whether the interpreter, asking for its cell, has read all of the one it has.
    pub(crate) fn wants_cell(&self) -> bool {
        !self.is_in_cell || (self.source.is_over() && self.result.is_some())
    }

    /// Tells the host that a cell is over, waits for the next, and gives up what it does not need.
    pub(crate) fn next_cell(&mut self) -> Result<Limits, Ended> {
        let said = if self.is_in_cell {
            let verdict = verdict_of_word(self.result.as_deref().unwrap_or_default());
            self.report(verdict, true)
        } else {
            frame::send(&mut io::stdout(), &Reply::Ready.to_frame())
        };
        said.map_err(|_| Ended::Abandoned)?;
        let cell = match &self.cells {
            Some(cells) => cells.recv().map_err(|_| Ended::Abandoned)?,
            None => first_cell().ok_or(Ended::Abandoned)?,
        };
        self.begin(cell).map_err(|reason| Ended::By(Verdict::Killed(reason)))
    }

    fn begin(&mut self, cell: Cell) -> Result<Limits, String> {
        self.is_in_cell = true;
        if let Some(open_up) = self.open_up.take() {
            if let Some(folder) = &cell.folder {
                self.descriptors.grant(folder).map_err(|error| {
                    format!("its folder {} cannot be opened: {error}", folder.display())
                })?;
            }
            self.cells = Some(open_up(&cell)?);
        }
        super::lockdown::bounds(&cell.limits);
        let head = format!("{} {} 0\n", u8::from(cell.lives_on), cell.source.len());
        self.source = Input::new([head.as_bytes(), cell.source.as_bytes()].concat());
        self.stdin = Input::new(cell.stdin);
        self.limits = cell.limits;
        (self.written_bytes, self.made, self.was_refused_memory) = (0, 0, false);
        (self.result, self.stdout, self.stderr) = (None, Vec::new(), Vec::new());
        Ok(self.limits)
    }

    /// Tells the host how the guest ended.
    pub(crate) fn report(&mut self, verdict: Verdict, lives: bool) -> io::Result<()> {
        let stdout = std::mem::take(&mut self.stdout);
        let stderr = std::mem::take(&mut self.stderr);
        let reply = Reply::Done { verdict, stdout, stderr, lives };
        frame::send(&mut io::stdout(), &reply.to_frame())
    }

    /// The verdict on a guest that Wasmtime ended; `None` when nobody is left to be told.
    pub(crate) fn verdict_of_end(&self, end: Result<(), wasmtime::Error>) -> Option<Verdict> {
        let Err(error) = end else { return Some(Verdict::Finished) };
        match error.downcast_ref::<Ended>() {
            Some(Ended::By(verdict)) => return Some(verdict.clone()),
            Some(Ended::Exit(code)) if *code != 0 && self.was_refused_memory => {
                return Some(Verdict::OutOfMemory);
            }
            Some(Ended::Exit(code)) => return Some(exit(*code)),
            Some(Ended::Abandoned) => return None,
            None => {}
        }
        Some(match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::Interrupt | wasmtime::Trap::OutOfFuel) => Verdict::OutOfTime,
            Some(wasmtime::Trap::StackOverflow) => Verdict::TooDeep,
            _ if self.was_refused_memory => Verdict::OutOfMemory,
            Some(trap) => Verdict::Killed(format!("the interpreter broke down: {trap}")),
            None => Verdict::Killed(format!("the interpreter broke down: {error}")),
        })
    }

    /// Keeps what the guest prints, as far as it may.
    pub(crate) fn print(&mut self, bytes: &[u8], is_error: bool) -> Result<(), Ended> {
        let left = self.limits.output_bytes.saturating_sub(self.stdout.len() + self.stderr.len());
        let kept = &bytes[..bytes.len().min(left)];
        if is_error { &mut self.stderr } else { &mut self.stdout }.extend_from_slice(kept);
        if kept.len() < bytes.len() { Err(Ended::By(Verdict::TooMuchOutput)) } else { Ok(()) }
    }

    /// Keeps what the interpreter says of the end of its cell.
    pub(crate) fn tell(&mut self, bytes: &[u8]) {
        self.result = Some(bytes[..bytes.len().min(64)].to_vec());
    }

    /// Counts what is written to a file.
    pub(crate) fn write(&mut self, bytes: u64) -> Result<(), Ended> {
        self.written_bytes = self.written_bytes.saturating_add(bytes);
        if self.written_bytes > self.limits.file_bytes {
            return Err(Ended::By(Verdict::TooMuchWritten));
        }
        Ok(())
    }

    /// Counts a file or folder that is made.
    pub(crate) fn make(&mut self) -> Result<(), Ended> {
        self.made += 1;
        if self.made > MOST_MADE { Err(Ended::By(Verdict::TooMuchWritten)) } else { Ok(()) }
    }

    /// The largest size that a file may be given.
    pub(crate) fn largest_file(&self) -> u64 {
        self.limits.file_bytes
    }
}

/// The first cell, which is read before there is another thread.
fn first_cell() -> Option<Cell> {
    let bytes = frame::receive(&mut io::stdin().lock(), LARGEST_CELL_BYTES).ok()??;
    Cell::from_frame(&bytes)
}

/// What the bootstrap's word for the end of a cell means.
pub(super) fn verdict_of_word(word: &[u8]) -> Verdict {
    let word = std::str::from_utf8(word).unwrap_or_default();
    match word.split_once(' ') {
        Some(("exit", code)) => exit(code.parse().unwrap_or(1)),
        None if word == "finished" => Verdict::Finished,
        None if word == "memory" => Verdict::OutOfMemory,
        None if word == "depth" => Verdict::TooDeep,
        None if word == "written" => Verdict::TooMuchWritten,
        _ => Verdict::Failed { code: 1 },
    }
}

pub(super) fn exit(code: i32) -> Verdict {
    if code == 0 { Verdict::Finished } else { Verdict::Failed { code } }
}

impl ResourceLimiter for Guest {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = desired as u64 <= self.limits.memory_bytes;
        self.was_refused_memory |= !fits;
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= 1 << 20)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        4
    }

    fn memories(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_by_itself_and_by_waiting() {
        let mut clock = Clock::new();
        assert_eq!(clock.look(true), LOOK_NS);
        assert_eq!(clock.look(false), BEGINNING_NS + 2 * LOOK_NS);
        clock.wait_until(5_000_000, true);
        assert_eq!(clock.look(true), 5_000_000 + LOOK_NS);
        clock.wait_until(0, false);
        clock.wait(u64::MAX);
        assert_eq!(clock.look(false), u64::MAX);
    }

    #[test]
    fn randomness_is_the_published_sequence() {
        let mut bytes = [0; 12];
        Random(0).fill(&mut bytes);
        assert_eq!(bytes[..8], 0xe220_a839_7b1d_cdaf_u64.to_le_bytes());
        assert_eq!(bytes[8..], 0x6e78_9e6a_a1b9_65f4_u64.to_le_bytes()[..4]);
    }
}
