//! A year that never was: conversations, experiments and their samples, for the views to show.

use std::path::Path;
use std::time::{Duration, SystemTime};

use mynah_store::{
    Cell, Error, Experiment, Message, Role, Sample, State, Store, Training, TrainingPoint, Turn,
};
use serde_json::json;

const DAY: u64 = 86_400;

const ASKED: [(&str, &str); 14] = [
    ("What is the capital of France?", "The capital of France is **Paris**."),
    ("Explain the borrow checker of Rust", "It makes sure that *references* outlive nothing."),
    (
        "Write a haiku about autumn rain",
        "Rain on yellow leaves,\nthe gutter hums to itself,\na bird shakes its wings.",
    ),
    ("Summarise the meeting notes", "- The budget is agreed.\n- The launch moves to May."),
    ("How do I sort a list in Python?", "Use `sorted(list)`, or `list.sort()` in place."),
    ("用一句话介绍北京", "北京是中国的首都。"),
    ("What is the difference between TCP and UDP?", "TCP keeps order; UDP does not."),
    ("Translate 'good morning' into Italian", "*Buongiorno*."),
    (
        "Explain attention in transformers",
        "Each token looks at the others and takes what it needs.",
    ),
    ("Write a regular expression for dates", "`\\d{4}-\\d{2}-\\d{2}`"),
    ("What is the capital of Peru?", "The capital of Peru is **Lima**."),
    ("Fix this Rust lifetime error", "Give the reference the lifetime of the struct."),
    ("Plan a week of vegetarian dinners", "1. Lentil soup\n2. Risotto\n3. Shakshuka"),
    (
        "Explain quantisation of models",
        "Weights are stored in fewer bits, and a scale for each block.",
    ),
];

pub(super) fn write(database: &Path) -> Result<(), Error> {
    let now = SystemTime::now();
    let ago = |days: u64| now - Duration::from_secs(days * DAY + 3600);
    let mut store = Store::open(database, now)?;
    for week in (0..50_u64).rev() {
        // More towards the end of the year.
        for n in 0..=(50 - week) / 12 {
            let i = (week * 5 + n * 3) as usize % ASKED.len();
            let (prompt, answer) = ASKED[i];
            let model =
                ["smollm2-135m", "qwen2.5-coder-0.5b", "smollm2-135m", "gemma3-270m"][i % 4];
            let messages = vec![Message::new(Role::User, prompt)];
            let at = ago(week * 7 + n) + Duration::from_secs(i as u64);
            store.record_turn(None, &turn(model, messages, answer, 20 + i as u64 * 9, at))?;
        }
    }
    experiment(&mut store, "headings", State::Finished, 40, ago(9))?;
    experiment(&mut store, "politeness", State::Running, 13, now)?;
    training(&mut store, ago(3))?;
    report(database)
}

/// A run of training, two thirds of the way.
fn training(store: &mut Store, created: SystemTime) -> Result<(), Error> {
    let training = Training {
        id: "c1b2c3d4e5f60718293a4b5c6d7e8f90".to_owned(),
        name: "speeches".to_owned(),
        folder: "/home/somebody/speeches".to_owned(),
        seed: 1,
        config: "preset = \"llama\"\nseed = 1\n\n[model]\ndepth = 2\n".to_owned(),
        steps: 300,
        state: State::Running,
        bits_per_byte: None,
        created,
        ended: None,
    };
    store.begin_training(&training, 0)?;
    for step in (3..=200_u32).step_by(3) {
        let bits = 1.7 + 1.6 / (1.0 + f64::from(step) / 25.0);
        let point = TrainingPoint {
            step: u64::from(step),
            seconds: Some(f64::from(step) * 0.4),
            loss: Some(2.7 * bits),
            bits_per_byte: Some(bits + 0.05 * f64::from(step % 4)),
            held_out_bits_per_byte: (step % 30 == 0).then_some(bits + 0.1),
        };
        store.record_training_point(&training.id, &point)?;
    }
    let text = " of the United States, <b>and</b> the people of this country.";
    store.record_training_sample(&training.id, 180, "The Congress", text)
}

fn turn(model: &str, messages: Vec<Message>, answer: &str, tokens: u64, at: SystemTime) -> Turn {
    Turn {
        command: "chat".to_owned(),
        model: model.to_owned(),
        fingerprint: None,
        messages,
        answer: answer.to_owned(),
        sample: 0,
        seed: Some(tokens),
        temperature: None,
        options: serde_json::Map::new(),
        schema: None,
        input_tokens: Some(18),
        cached_tokens: None,
        output_tokens: Some(tokens),
        first_token: Some(Duration::from_millis(50)),
        duration: Some(Duration::from_millis(50 + tokens * 11)),
        finish: "stop".to_owned(),
        at,
    }
}

const HASHES: [(&str, &str); 2] = [
    ("headings", "a1b2c3d4e5f60718293a4b5c6d7e8f90"),
    ("politeness", "b1b2c3d4e5f60718293a4b5c6d7e8f90"),
];

fn experiment(
    store: &mut Store,
    name: &str,
    state: State,
    n: u32,
    created: SystemTime,
) -> Result<(), Error> {
    let design = json!({
        "arms": [
            { "name": "plain", "wordings": [{ "prompt": "Summarise: {{text}}" }] },
            { "name": "please", "wordings": [{ "prompt": "Please summarise: {{text}}" }] },
        ],
        "inputs": [{}, {}, {}, {}],
        "repeats": 5,
    });
    let hash = HASHES.iter().find(|(own, _)| *own == name).map_or("", |(_, hash)| hash);
    let experiment = Experiment {
        id: format!("{name}-1"),
        name: name.to_owned(),
        design_hash: hash.to_owned(),
        design: design.to_string(),
        state: State::Running,
        result: None,
        created,
        ended: None,
    };
    store.begin_experiment(&experiment)?;
    for position in 0..n {
        let (prompt, answer) = ASKED[position as usize % ASKED.len()];
        let arm = ["plain", "please"][position as usize % 2];
        let input = (position / 2 % 4).to_string();
        let cell = Cell { arm: arm.to_owned(), input, repeat: position / 8 };
        let messages = vec![Message::new(Role::User, format!("Summarise: {prompt}"))];
        let at = created + Duration::from_secs(u64::from(position));
        let turn =
            Turn { command: "try".to_owned(), ..turn("smollm2-135m", messages, answer, 20, at) };
        let sample = Sample { cell, block: 0, position, turn, checks: None };
        store.record_sample(&experiment.id, &sample)?;
    }
    if state != State::Running {
        store.set_state(&experiment.id, state, None, created + Duration::from_secs(90))?;
    }
    Ok(())
}

/// A report that tries to ask the server something.
fn report(database: &Path) -> Result<(), Error> {
    let folder = database.with_file_name("reports");
    let page = "<!doctype html><title>report</title><h1>headings</h1><script>\
        fetch('/api/export').then(() => document.title = 'stolen', () => document.title = 'safe')\
        </script>";
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join(format!("{}.html", HASHES[0].1)), page));
    written.map_err(|source| Error::File { doing: "write", path: folder, source })
}
