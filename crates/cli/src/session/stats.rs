//! How fast an answer came, in words and numbers.

use std::time::Duration;

use serde::Serialize;

use super::generate::Timing;
use crate::terminal::Terminal;
use crate::units;

/// What is measured beside the answer itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) load: Duration,
    /// From the start of the command to the first token.
    pub(crate) start_to_first_token: Duration,
    pub(crate) n_threads: usize,
    pub(crate) bytes_per_token: usize,
    /// The most memory that was held, in bytes, where the system tells. Taken before memory is
    /// measured: that needs much of it.
    pub(crate) peak_memory: Option<u64>,
    pub(crate) timing: Timing,
}

/// The measurements as `--json` prints them. Times are in milliseconds, speeds in tokens a second.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Timings {
    load_ms: f64,
    time_to_first_token_ms: f64,
    total_ms: f64,
    prompt_tokens: usize,
    prompt_tokens_cached: usize,
    prompt_tokens_per_s: Option<f64>,
    generated_tokens: usize,
    generated_tokens_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_read_gbps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_limit_gbps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_share: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guessed_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guessed_tokens_right: Option<u64>,
    peak_rss_bytes: Option<u64>,
    threads: usize,
}

impl Timings {
    /// `limit_gbps`: how fast the machine reads memory on as many threads, if it was measured.
    pub(crate) fn new(measured: &Measured, limit_gbps: Option<f64>) -> Self {
        let Measured { timing, bytes_per_token, .. } = measured;
        let read = timing.steps_per_s().map(|steps| steps * *bytes_per_token as f64 / 1e9);
        let has_guesses = timing.n_guessed > 0;
        Self {
            load_ms: milliseconds(measured.load),
            time_to_first_token_ms: milliseconds(measured.start_to_first_token),
            total_ms: milliseconds(timing.total),
            prompt_tokens: timing.prompt_tokens,
            prompt_tokens_cached: timing.prompt_cached,
            prompt_tokens_per_s: timing.prompt_tokens_per_s().map(rounded),
            generated_tokens: timing.n_tokens,
            generated_tokens_per_s: timing.tokens_per_s().map(rounded),
            memory_read_gbps: read.map(rounded),
            memory_limit_gbps: limit_gbps.map(rounded),
            memory_share: read.zip(limit_gbps).map(|(read, limit)| rounded(read / limit)),
            guessed_tokens: has_guesses.then_some(timing.n_guessed),
            guessed_tokens_right: has_guesses.then_some(timing.n_guessed_right),
            peak_rss_bytes: measured.peak_memory,
            threads: measured.n_threads,
        }
    }

    /// Says it in a few lines.
    pub(crate) fn tell(&self, terminal: &Terminal) {
        for line in self.lines() {
            terminal.note(&line);
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "loading  {:.0} ms, first token {:.0} ms after the start",
            self.load_ms, self.time_to_first_token_ms
        )];
        let mut prompt = format!("prompt   {}", tokens(self.prompt_tokens));
        if self.prompt_tokens_cached > 0 {
            let cached = format!(", {} of them from the cache", self.prompt_tokens_cached);
            prompt += &cached;
        }
        lines.push(prompt + &speed(self.prompt_tokens_per_s));
        let mut answer = format!("answer   {}", tokens(self.generated_tokens));
        answer += &speed(self.generated_tokens_per_s);
        if let (Some(read), Some(limit), Some(share)) =
            (self.memory_read_gbps, self.memory_limit_gbps, self.memory_share)
        {
            let percent = share * 100.0;
            let of_memory = format!(", {read:.1} of {limit:.1} GB/s of memory ({percent:.0} %)");
            answer += &of_memory;
        }
        lines.push(answer);
        if let (Some(right), Some(guessed)) = (self.guessed_tokens_right, self.guessed_tokens) {
            lines.push(format!("guesses  {right} of {guessed} right"));
        }
        let memory = self.peak_rss_bytes.map(|n| format!(", {} of memory", units::bytes(n)));
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        lines.push(format!("used     {} {threads}{}", self.threads, memory.unwrap_or_default()));
        lines
    }
}

fn tokens(n: usize) -> String {
    if n == 1 { "1 token".to_owned() } else { format!("{n} tokens") }
}

fn speed(tokens_per_s: Option<f64>) -> String {
    tokens_per_s.map(|speed| format!(", {speed:.1} tokens/s")).unwrap_or_default()
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1000.0)
}

/// Three digits after the point: more is noise.
pub(crate) fn rounded(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        Measured {
            load: Duration::from_millis(80),
            start_to_first_token: Duration::from_millis(120),
            n_threads: 2,
            bytes_per_token: 100_000_000,
            peak_memory: Some(120_000_000),
            timing: Timing {
                prompt_tokens: 50,
                prompt_cached: 32,
                first_token: Duration::from_millis(20),
                total: Duration::from_millis(1020),
                n_tokens: 101,
                n_first_tokens: 1,
                n_later_steps: 80,
                n_guessed: 40,
                n_guessed_right: 20,
            },
        }
    }

    #[test]
    fn the_numbers_are_those_of_what_was_computed() {
        let timings = Timings::new(&measured(), Some(16.0));
        assert_eq!(timings.prompt_tokens_per_s, Some(900.0));
        assert_eq!(timings.generated_tokens_per_s, Some(100.0));
        assert_eq!(timings.memory_read_gbps, Some(8.0));
        assert_eq!(timings.memory_share, Some(0.5));
        let lines = timings.lines();
        assert_eq!(lines[0], "loading  80 ms, first token 120 ms after the start");
        assert_eq!(lines[1], "prompt   50 tokens, 32 of them from the cache, 900.0 tokens/s");
        assert_eq!(
            lines[2],
            "answer   101 tokens, 100.0 tokens/s, 8.0 of 16.0 GB/s of memory (50 %)"
        );
        assert_eq!(lines[3], "guesses  20 of 40 right");
        assert_eq!(lines[4], "used     2 threads, 120 MB of memory");
    }

    #[test]
    fn nothing_is_said_of_what_did_not_happen() {
        let mut measured = measured();
        measured.timing = Timing {
            prompt_tokens: 1,
            first_token: Duration::from_millis(20),
            total: Duration::from_millis(20),
            n_tokens: 1,
            n_first_tokens: 1,
            ..Timing::default()
        };
        let timings = Timings::new(&measured, None);
        assert_eq!(timings.lines()[1], "prompt   1 token, 50.0 tokens/s");
        assert_eq!(timings.lines()[2], "answer   1 token");
        let json = serde_json::to_value(&timings).unwrap();
        assert_eq!(json["generated_tokens_per_s"], serde_json::Value::Null);
        assert_eq!(json.get("memory_share"), None);
    }
}
