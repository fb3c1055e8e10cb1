//! What was said, and the file it is kept in.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use mynah_engine::sampling::SamplingParams;
use serde::{Deserialize, Serialize};

use crate::failure::Hint as _;
use crate::session::{Message, Role};

/// The version of the file; what has another is not guessed at.
const VERSION: u32 = 1;

/// A conversation, as it is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conversation {
    /// The version of this form.
    mynah_chat: u32,
    /// The model that it is had with.
    pub(super) model: String,
    /// What the model is told beforehand.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) system: Option<String>,
    pub(super) settings: Settings,
    /// What was said, oldest first.
    pub(super) messages: Vec<Message>,
}

/// How answers are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) sampling: SamplingParams,
    /// Texts that end an answer.
    pub(super) stop: Vec<String>,
    /// How many tokens an answer may have, if not as many as fit.
    pub(super) max_tokens: Option<usize>,
}

impl Conversation {
    pub(super) fn new(model: String, system: Option<String>, settings: Settings) -> Self {
        Self { mynah_chat: VERSION, model, system, settings, messages: Vec::new() }
    }

    /// Takes the last answer away, so that another can be drawn. Returns whether there is something
    /// to answer then.
    pub(super) fn take_answer_back(&mut self) -> bool {
        self.messages.pop_if(|last| last.role == Role::Assistant);
        self.messages.last().is_some_and(|last| last.role == Role::User)
    }

    /// Writes it to a file, which is either the old one or the whole new one, whatever happens.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let write = || {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            anyhow::Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads it from a file.
    ///
    /// # Errors
    /// If the file cannot be read or is not a saved conversation.
    pub(super) fn load(path: &Path) -> anyhow::Result<Self> {
        let read = || {
            let text = fs::read(path)?;
            let value: serde_json::Value =
                serde_json::from_slice(&text).context("it is no saved conversation")?;
            match value.get("mynah_chat").map(serde_json::Value::as_u64) {
                Some(Some(version)) if version == u64::from(VERSION) => {}
                Some(version) => {
                    let version = version.map_or("?".to_owned(), |version| version.to_string());
                    return Err(anyhow::anyhow!("it is of version {version}, not {VERSION}"))
                        .hint("a newer mynah can read it");
                }
                None => anyhow::bail!("it is no saved conversation"),
            }
            let conversation: Self =
                serde_json::from_slice(&text).context("it is no saved conversation")?;
            conversation.settings.sampling.validate()?;
            Ok(conversation)
        };
        read().with_context(|| format!("cannot read {}", path.display()))
    }
}

impl Settings {
    /// Every name with its value, as JSON.
    pub(super) fn list(&self) -> Vec<(String, String)> {
        let fields = self.fields();
        fields.into_iter().map(|(name, value)| (name, value.to_string())).collect()
    }

    /// Changes one value. Values are JSON, but a text needs no quotes; `none` takes a value away.
    ///
    /// # Errors
    /// If there is no such name or the value makes no sense; then nothing is changed.
    pub(super) fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        let name = name.replace('-', "_");
        let mut fields = self.fields();
        let Some((_, field)) = fields.iter_mut().find(|(field, _)| *field == name) else {
            return Err(anyhow::anyhow!("there is no setting {name}"))
                .hint("/set without a name shows all of them");
        };
        *field = match serde_json::from_str(value) {
            Ok(value) => value,
            Err(_) if value == "none" => serde_json::Value::Null,
            Err(_) => serde_json::Value::from(value),
        };
        if name == "stop" && field.is_string() {
            *field = serde_json::Value::from_iter([field.take()]);
        }
        let mut sampling = serde_json::Map::from_iter(fields);
        let stop = sampling.remove("stop").unwrap_or_default();
        let max_tokens = sampling.remove("max_tokens").unwrap_or_default();
        let cannot = || format!("{name} cannot be {value}");
        let changed = Self {
            sampling: serde_json::from_value(sampling.into()).with_context(cannot)?,
            stop: serde_json::from_value(stop).with_context(cannot)?,
            max_tokens: serde_json::from_value(max_tokens).with_context(cannot)?,
        };
        changed.check()?;
        *self = changed;
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        self.sampling.validate()?;
        mynah_engine::sampling::StopMatcher::new(&self.stop)?;
        anyhow::ensure!(self.max_tokens != Some(0), "max_tokens is 0, but must be at least 1");
        Ok(())
    }

    fn fields(&self) -> Vec<(String, serde_json::Value)> {
        // By way of text, in which an f32 has no more digits than it needs.
        let text = serde_json::to_string(&self.sampling).unwrap_or_default();
        let sampling: serde_json::Map<_, _> = serde_json::from_str(&text).unwrap_or_default();
        let mut fields: Vec<_> = sampling.into_iter().collect();
        fields.push(("stop".to_owned(), self.stop.clone().into()));
        fields.push(("max_tokens".to_owned(), self.max_tokens.into()));
        // Log-probabilities have no place in a conversation.
        fields.retain(|(name, _)| name != "logprobs");
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { sampling: SamplingParams::default(), stop: Vec::new(), max_tokens: None }
    }

    fn conversation() -> Conversation {
        let mut it = Conversation::new("tiny".into(), Some("Be brief.".into()), settings());
        it.messages = vec![Message::user("Hi <|im_end|>"), Message::assistant("Hello.\n\"Yes\"")];
        it
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.json");
        fs::write(&path, "something else").unwrap();
        conversation().save(&path).unwrap();
        assert_eq!(Conversation::load(&path).unwrap(), conversation());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        let error = conversation().save(&folder.path().join("absent/talk.json")).unwrap_err();
        assert!(error.to_string().starts_with("cannot write"), "{error}");
    }

    #[test]
    fn what_is_no_conversation_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.json");
        let fault = |text: &str| {
            fs::write(&path, text).unwrap();
            format!("{:#}", Conversation::load(&path).unwrap_err())
        };
        assert!(fault("{").contains("it is no saved conversation"));
        assert!(fault("[1]").contains("it is no saved conversation"));
        assert!(fault(r#"{"mynah_chat": 2}"#).contains("it is of version 2, not 1"));
        let mut bad = conversation();
        bad.settings.sampling.temperature = -1.0;
        let bad = serde_json::to_string(&bad).unwrap();
        assert!(fault(&bad).contains("temperature is -1"), "{}", fault(&bad));
    }

    #[test]
    fn an_answer_is_taken_back_and_a_question_is_not() {
        let mut it = conversation();
        assert!(it.take_answer_back());
        assert!(it.take_answer_back(), "a question without an answer can be answered");
        assert_eq!(it.messages.len(), 1);
        it.messages.clear();
        assert!(!it.take_answer_back());
    }

    #[test]
    fn settings_are_set_by_name() {
        let mut it = settings();
        it.set("temperature", "0").unwrap();
        it.set("top-k", "5").unwrap();
        it.set("max_tokens", "20").unwrap();
        it.set("stop", "END").unwrap();
        it.set("penalty_last_n", "none").unwrap();
        let expected = SamplingParams {
            temperature: 0.0,
            top_k: 5,
            penalty_last_n: None,
            ..SamplingParams::default()
        };
        assert_eq!(it.sampling, expected);
        assert_eq!((it.max_tokens, &it.stop[..]), (Some(20), &["END".to_owned()][..]));
        it.set("stop", r#"["a", "b"]"#).unwrap();
        it.set("max_tokens", "none").unwrap();
        assert_eq!((it.max_tokens, it.stop.len()), (None, 2));

        let before = it.clone();
        let mut fault = |name, value| format!("{:#}", it.set(name, value).unwrap_err());
        assert_eq!(fault("heat", "1"), "there is no setting heat");
        assert!(fault("temperature", "warm").starts_with("temperature cannot be warm"));
        assert!(fault("temperature", "-1").contains("from 0 to 100"));
        assert!(fault("top_k", "-1").starts_with("top_k cannot be -1"));
        assert!(fault("max_tokens", "0").contains("at least 1"));
        assert!(fault("logprobs", "1").contains("no setting"));
        assert_eq!(it, before, "what was refused changes nothing");
        let list = it.list();
        let (_, top_p) = list.iter().find(|(name, _)| name == "top_p").unwrap();
        assert_eq!(top_p, "0.95", "without the digits of another precision");
    }
}
