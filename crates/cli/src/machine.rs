//! What the machine has and what this program uses of it, where the system tells.

use std::fs;
use std::num::NonZero;
use std::thread;

/// How many threads this program may run at once.
pub(crate) fn n_threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// How many bytes of memory programs could still take, where the system tells (Linux).
pub(crate) fn available_memory() -> Option<u64> {
    field_in_kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")
}

/// The most memory that this program has held at once, where the system tells (Linux).
pub(crate) fn peak_memory() -> Option<u64> {
    field_in_kib(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM")
}

/// Reads a line such as `VmHWM:     5012 kB`; returns bytes.
fn field_in_kib(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_numbers_are_read() {
        let text = "VmPeak:\t   20 kB\nVmHWM:\t    5012 kB\nThreads:\t1\n";
        assert_eq!(field_in_kib(text, "VmHWM"), Some(5012 * 1024));
        assert_eq!(field_in_kib(text, "Threads"), None);
        assert_eq!(field_in_kib(text, "Vm"), None);
        assert_eq!(field_in_kib("VmHWM:\t99999999999999999 kB", "VmHWM"), None);
    }
}
