//! What `mynah try` is called with, and how that becomes an experiment.

use std::path::{Path, PathBuf};

use mynah_lab::check;
use mynah_lab::experiment::{
    Draft, InputsDraft, Requirement, Source, Spot, VariantDraft, Wanted, read,
};
use mynah_store::Store;

use super::{explained, read_text};
use crate::failure::{Hint as _, Misuse};
use crate::log::LogArgs;
use crate::session::at_least_one;

/// Find out whether a change of a prompt works
///
/// Compares prompts on the same inputs by what a check says of many answers, and says in one
/// sentence which is better, by how much, and whether that is enough to say so. `{{text}}` in a
/// prompt is a field of the inputs.
///
/// PROMPT may also be the name of a file that ends in .toml, with the whole experiment in it.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah try \"Summarise as Markdown: {{text}}\" --against \"Summarise as VALID MARKDOWN: {{text}}\" \\
      --inputs notes.jsonl --check markdown
  mynah try \"Name a fruit.\" --against \"Please name a fruit.\" --check words --margin 2
  mynah try experiment.toml --model smollm2-135m --model qwen2.5-coder-0.5b
  mynah try experiment.toml --plan
  mynah try experiment.toml --require better && deploy

Exit status 100: what was required did not come out.")]
pub(crate) struct Args {
    /// The prompt that the others are compared with, or an experiment's file
    #[arg(value_name = "PROMPT|FILE.toml", required_unless_present = "folklore")]
    prompt: Option<String>,
    /// Try folk wisdom on the model instead: capitals, "please", tips, threats and more, each
    /// beside what was published about it
    #[arg(long, conflicts_with_all = ["prompt", "against", "inputs", "check", "plan", "aa"])]
    pub(super) folklore: bool,
    /// A prompt that may be better; may be given several times, the first one decides
    #[arg(long, value_name = "PROMPT")]
    against: Vec<String>,
    /// What the prompts are applied to: .jsonl, .json, .csv, .tsv, or a file with a text on each line
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// What makes an answer good: NAME or NAME=ARGUMENT; may be given several times, the first
    /// decides
    #[arg(long, value_name = "CHECK")]
    check: Vec<String>,
    /// The model: a name, a file, a folder; several answer one after the other
    #[arg(long, short)]
    pub(super) model: Vec<String>,
    /// What every model is told before the prompt
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// How many answers each prompt gives to each input [default: so many that 200 are drawn]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Size")]
    seeds: Option<usize>,
    /// How many samples are drawn of a model at most, all prompts together
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Size")]
    samples: Option<usize>,
    /// How many US dollars may be spent, at the price of --price
    #[arg(long, value_name = "USD", help_heading = "Size", requires = "price")]
    budget: Option<f64>,
    /// The smallest difference that would matter [default: 0.1 of the check's scale]
    #[arg(long, value_name = "X", help_heading = "Size")]
    margin: Option<f64>,
    /// Run a pilot and say what the experiment can show; nothing more is drawn
    #[arg(long, help_heading = "Size")]
    pub(super) plan: bool,
    /// Compare the prompt with itself: nothing may be found
    #[arg(long, help_heading = "Size")]
    aa: bool,
    /// Try each prompt in N other formats beside its own, and tell how far they lie apart
    #[arg(long, value_name = "N", default_missing_value = "5", num_args = 0..=1)]
    #[arg(help_heading = "Size")]
    paraphrases: Option<usize>,
    /// Go on with an experiment that was interrupted; no sample is drawn twice
    #[arg(long)]
    pub(super) resume: bool,
    /// How many tokens an answer may have [default: 100]
    #[arg(long, short = 'n', value_name = "N", value_parser = at_least_one)]
    #[arg(help_heading = "Sampling")]
    max_tokens: Option<usize>,
    /// How adventurous: 0 always takes the most likely token
    #[arg(long, value_name = "T", help_heading = "Sampling")]
    temperature: Option<f32>,
    /// Decides every sample and their order
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    seed: Option<u64>,
    /// Fail with status 100 unless the verdict is: better, not-worse, equivalent
    #[arg(long, value_name = "VERDICT", value_parser = wanted)]
    require: Option<Wanted>,
    /// Also write a page to this file in which every answer can be read: one file, no network
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
    /// Print everything as JSON, every sample included
    #[arg(long)]
    pub(super) json: bool,
    /// Ask an endpoint that speaks OpenAI's protocol, such as https://host/v1, instead of a local
    /// model
    #[arg(long, value_name = "URL", help_heading = "Endpoint", requires = "model")]
    pub(super) endpoint: Option<String>,
    /// A file with the key, which only you may read; else the variable MYNAH_API_KEY
    #[arg(long, value_name = "FILE", help_heading = "Endpoint", requires = "endpoint")]
    pub(super) key_file: Option<PathBuf>,
    /// How many requests are open at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    #[arg(help_heading = "Endpoint")]
    pub(super) concurrency: usize,
    /// How many requests are made in a minute at most
    #[arg(long, value_name = "N", help_heading = "Endpoint")]
    pub(super) per_minute: Option<f64>,
    /// What a million tokens of prompts and of answers cost in US dollars: 0.15,0.60
    #[arg(long, value_name = "IN,OUT", help_heading = "Endpoint", value_parser = price)]
    pub(super) price: Option<(f64, f64)>,
    /// How many threads compute [default: all there are]
    #[arg(long, value_name = "N", help_heading = "Speed", value_parser = at_least_one)]
    pub(super) threads: Option<usize>,
    #[command(flatten)]
    log: LogArgs,
}

fn wanted(text: &str) -> Result<Wanted, String> {
    Wanted::named(text).ok_or_else(|| "it must be better, not-worse or equivalent".to_owned())
}

fn price(text: &str) -> Result<(f64, f64), String> {
    let number =
        |text: &str| text.trim().parse::<f64>().ok().filter(|n| *n >= 0.0 && n.is_finite());
    let both = text.split_once(',').and_then(|(input, output)| number(input).zip(number(output)));
    both.ok_or_else(|| "it must be two numbers with a comma between them".to_owned())
}

impl Args {
    /// The experiment's file, if the prompt names one.
    pub(super) fn file(&self) -> Option<&Path> {
        let prompt = self.prompt.as_deref()?;
        let path = Path::new(prompt);
        let is_file = path.extension().is_some_and(|ending| ending == "toml");
        (is_file && !prompt.contains(['{', '\n'])).then_some(path)
    }

    pub(super) fn read_file(&self, path: &Path) -> anyhow::Result<Draft> {
        if !self.against.is_empty() {
            return Err(Misuse("--against compares prompts, and this is a file".to_owned()))
                .hint("variants of a file are in the file: [[variant]]");
        }
        let source = Source { name: path.display().to_string(), text: read_text(path)? };
        let folder = path.parent().unwrap_or(Path::new(""));
        let open = |name: &str| {
            let bytes = std::fs::read(folder.join(name)).map_err(|error| error.to_string())?;
            String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())
        };
        explained(read(&source, &open))
    }

    pub(super) fn read_prompts(&self) -> Draft {
        let mut text = String::new();
        let mut variants = Vec::new();
        for (place, prompt) in self.prompt.iter().chain(&self.against).enumerate() {
            let start = text.len();
            text.push_str(prompt);
            let span = Some(start..text.len());
            text.push('\n');
            let name = if place == 0 { "A".to_owned() } else { letter(place) };
            variants.push(VariantDraft {
                name: Spot::nowhere(name),
                system: self.system.clone().map(Spot::nowhere),
                prompts: vec![Spot { value: prompt.clone(), span }],
            });
        }
        let source = Source { name: "prompts".to_owned(), text };
        let mut draft = Draft::new(source, "try");
        draft.variants = variants;
        draft
    }

    /// What the flags say, over what the draft says.
    pub(super) fn over(&self, mut draft: Draft) -> anyhow::Result<Draft> {
        if let Some(path) = &self.inputs {
            let source = Source { name: path.display().to_string(), text: read_text(path)? };
            draft.inputs = Some(explained(InputsDraft::read(source))?);
        }
        for text in &self.check {
            let made = check::make_short(text, PathBuf::new());
            let made =
                made.map_err(|fault| (Misuse(format!("--check {text}: {fault}")), fault.hint));
            match made {
                Ok(checked) => draft.checks.push((checked, None)),
                Err((misuse, Some(hint))) => return Err(misuse).hint(hint),
                Err((misuse, None)) => return Err(misuse.into()),
            }
        }
        if !self.model.is_empty() {
            draft.models.clone_from(&self.model);
        }
        if let Some(verdict) = self.require {
            draft.requirement =
                Some(Requirement { verdict, ..draft.requirement.unwrap_or_default() });
        }
        if let Some(margin) = self.margin {
            if !(margin >= 0.0 && margin.is_finite()) {
                return Err(
                    Misuse(format!("--margin {margin}: it must be a number from 0 up")).into()
                );
            }
            draft.margin = Some(margin);
        }
        draft.repeats = self.seeds.or(draft.repeats);
        draft.budget.samples = self.samples.or(draft.budget.samples);
        draft.budget.cost = self.budget.or(draft.budget.cost);
        draft.sampling.max_tokens = self.max_tokens.unwrap_or(draft.sampling.max_tokens);
        draft.sampling.temperature = self.temperature.or(draft.sampling.temperature);
        draft.seed = self.seed.unwrap_or(draft.seed);
        draft.paraphrases = self.paraphrases.unwrap_or(draft.paraphrases);
        draft.is_aa |= self.aa;
        Ok(draft)
    }

    /// Where samples are kept, if they are to be.
    pub(super) fn store(&self) -> anyhow::Result<Option<Store>> {
        self.log.open_to_keep()
    }
}

/// B for 1, C for 2; numbers after Z.
fn letter(place: usize) -> String {
    match u8::try_from(place) {
        Ok(place @ 0..=25) => char::from(b'A' + place).to_string(),
        _ => place.to_string(),
    }
}
