//! What was counted, in the text format that Prometheus reads.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mynah_engine::Counts;

/// Upper ends of the classes in which times to the first token are counted, in seconds.
const CLASSES_S: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What the server counts, apart from what each model does.
#[derive(Default)]
pub(crate) struct Metrics {
    responses: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

impl Metrics {
    /// Counts a response.
    pub(crate) fn response(&self, route: &'static str, status: u16) {
        let mut responses = self.responses.lock().unwrap_or_else(PoisonError::into_inner);
        *responses.entry((route, status)).or_default() += 1;
    }

    /// Everything, as text.
    pub(crate) fn write(&self, models: &[(String, Snapshot)]) -> String {
        let mut out = String::new();
        head(&mut out, "mynah_responses_total", "counter", "Responses by route and status.");
        let responses = self.responses.lock().unwrap_or_else(PoisonError::into_inner);
        for ((route, status), n) in &*responses {
            let _ =
                writeln!(out, "mynah_responses_total{{route=\"{route}\",status=\"{status}\"}} {n}");
        }
        drop(responses);
        for series in &SERIES {
            head(&mut out, series.name, series.kind, series.help);
            for (model, snapshot) in models {
                let (name, value) = (series.name, (series.value)(snapshot));
                let _ = writeln!(out, "{name}{{model=\"{}\"}} {value}", escape(model));
            }
        }
        write_first_tokens(&mut out, models);
        out
    }
}

/// A number that each model has.
struct Series {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&Snapshot) -> u64,
}

const SERIES: [Series; 11] = [
    Series {
        name: "mynah_prompt_tokens_total",
        kind: "counter",
        help: "Positions of prompts that were computed.",
        value: |model| model.counts.prompt_computed,
    },
    Series {
        name: "mynah_prompt_cached_tokens_total",
        kind: "counter",
        help: "Positions of prompts that were found in the cache.",
        value: |model| model.counts.prompt_cached,
    },
    Series {
        name: "mynah_generated_tokens_total",
        kind: "counter",
        help: "Tokens that were chosen.",
        value: |model| model.counts.generated,
    },
    Series {
        name: "mynah_steps_total",
        kind: "counter",
        help: "Passes over the weights.",
        value: |model| model.counts.steps,
    },
    Series {
        name: "mynah_preempted_total",
        kind: "counter",
        help: "Answers that made room for others and were computed again.",
        value: |model| model.counts.preempted,
    },
    Series {
        name: "mynah_cancelled_total",
        kind: "counter",
        help: "Requests whose reader went away or read too slowly.",
        value: |model| model.cancelled,
    },
    Series {
        name: "mynah_expired_total",
        kind: "counter",
        help: "Requests that waited too long.",
        value: |model| model.expired,
    },
    Series {
        name: "mynah_waiting_requests",
        kind: "gauge",
        help: "Requests that wait for their turn.",
        value: |model| model.waiting,
    },
    Series {
        name: "mynah_running_sequences",
        kind: "gauge",
        help: "Answers that are computed.",
        value: |model| model.running,
    },
    Series {
        name: "mynah_cache_pages",
        kind: "gauge",
        help: "Pages of the cache.",
        value: |model| model.pages,
    },
    Series {
        name: "mynah_cache_pages_available",
        kind: "gauge",
        help: "Pages of the cache that no answer holds.",
        value: |model| model.pages_available,
    },
];

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn write_first_tokens(out: &mut String, models: &[(String, Snapshot)]) {
    const NAME: &str = "mynah_time_to_first_token_seconds";
    head(out, NAME, "histogram", "From the arrival of a request to its first token.");
    for (model, snapshot) in models {
        let model = escape(model);
        let mut n = 0;
        let ends = CLASSES_S.map(|end| end.to_string()).into_iter().chain(["+Inf".to_owned()]);
        for (end, in_class) in ends.zip(snapshot.first_token.classes) {
            n += in_class;
            let _ = writeln!(out, "{NAME}_bucket{{model=\"{model}\",le=\"{end}\"}} {n}");
        }
        let sum_s = snapshot.first_token.sum_us as f64 / 1e6;
        let _ = writeln!(out, "{NAME}_sum{{model=\"{model}\"}} {sum_s}");
        let _ = writeln!(out, "{NAME}_count{{model=\"{model}\"}} {n}");
    }
}

/// A label's value; names of models may come from file names.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// What a model's thread counts, for others to read.
#[derive(Default)]
pub(crate) struct ModelMetrics {
    latest: Mutex<Snapshot>,
    /// Requests that were let in and are not done.
    pub(crate) open: AtomicU64,
}

impl ModelMetrics {
    /// How things stand.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Brings it up to date.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.latest.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How many requests were let in and are not done.
    pub(crate) fn n_open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }
}

/// What a model did and has to do, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) counts: Counts,
    pub(crate) cancelled: u64,
    pub(crate) expired: u64,
    pub(crate) waiting: u64,
    pub(crate) running: u64,
    pub(crate) pages: u64,
    pub(crate) pages_available: u64,
    pub(crate) first_token: Times,
}

/// Times, counted in classes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    classes: [u64; CLASSES_S.len() + 1],
    sum_us: u64,
}

impl Times {
    /// Counts a time.
    pub(crate) fn add(&mut self, time: Duration) {
        let class = CLASSES_S.iter().take_while(|&&end| time.as_secs_f64() > end).count();
        self.classes[class] += 1;
        self.sum_us += time.as_micros() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.response("/v1/models", 200);
        metrics.response("/v1/models", 200);
        let mut model = Snapshot { waiting: 3, ..Snapshot::default() };
        model.first_token.add(Duration::from_millis(30));
        model.first_token.add(Duration::from_mins(1));
        let text = metrics.write(&[("a\"b".to_owned(), model)]);
        for line in [
            "mynah_responses_total{route=\"/v1/models\",status=\"200\"} 2",
            "# TYPE mynah_waiting_requests gauge",
            "mynah_waiting_requests{model=\"a\\\"b\"} 3",
            "mynah_time_to_first_token_seconds_bucket{model=\"a\\\"b\",le=\"0.025\"} 0",
            "mynah_time_to_first_token_seconds_bucket{model=\"a\\\"b\",le=\"0.05\"} 1",
            "mynah_time_to_first_token_seconds_bucket{model=\"a\\\"b\",le=\"+Inf\"} 2",
            "mynah_time_to_first_token_seconds_sum{model=\"a\\\"b\"} 60.03",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
