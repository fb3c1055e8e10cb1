//! Times as the file has them: UTC, with microseconds, as Python's `isoformat` writes them.

use std::time::{Duration, SystemTime};

/// Writes a time, such as `2026-03-01T12:00:00.250000+00:00`. Texts sort as times do.
pub fn to_text(time: SystemTime) -> String {
    // RFC 3339 has no years beyond 9999 and the epoch is its earliest time here.
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    let time = time.clamp(SystemTime::UNIX_EPOCH, last);
    let text = humantime::format_rfc3339_micros(time).to_string();
    format!("{}+00:00", text.trim_end_matches('Z'))
}

/// Reads a time that [`to_text`] or `llm` wrote. Without an offset it is UTC.
pub fn from_text(text: &str) -> Option<SystemTime> {
    let text = text.trim().replace(' ', "T");
    let text = text.strip_suffix("+00:00").or(text.strip_suffix('Z')).unwrap_or(&text);
    humantime::parse_rfc3339(&format!("{text}Z")).ok()
}

/// Milliseconds since the epoch.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Milliseconds, with what is below them.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A duration that the file may have wrong.
pub(crate) fn from_milliseconds(ms: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(ms / 1000.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: Duration = Duration::from_millis(250);

    #[test]
    fn times_are_written_as_python_writes_them_and_read_back() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_hours(492_324) + QUARTER;
        assert_eq!(to_text(time), "2026-03-01T12:00:00.250000+00:00");
        assert_eq!(from_text(&to_text(time)), Some(time));
        assert_eq!(from_text("2026-03-01 12:00:00.250000"), Some(time));
        assert_eq!(from_text("yesterday"), None);
        assert_eq!(to_text(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).get(..4), Some("1970"));
    }
}
