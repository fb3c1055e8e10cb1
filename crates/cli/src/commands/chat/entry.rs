//! What a person typed: a message or a command.

use std::path::PathBuf;

/// What is typed around a message of several lines.
const QUOTES: &str = "\"\"\"";

/// The commands: name, what follows it, what it does.
pub(super) const COMMANDS: &[(&str, &str, &str)] = &[
    ("/help", "", "show this"),
    ("/system", "[TEXT]", "tell the model how to behave; `none` takes it back; show it"),
    ("/set", "[NAME [VALUE]]", "change how answers are drawn; show the settings"),
    ("/clear", "", "begin anew"),
    ("/regenerate", "", "draw another answer to the last message"),
    ("/save", "FILE", "save the conversation"),
    ("/load", "FILE", "go on with a saved conversation"),
    ("/model", "[NAME]", "go on with another model; show which it is"),
    ("/stats", "", "show how long the last answer took, and how full the context is"),
    ("/exit", "", "leave, as Ctrl-D does"),
];

/// What a person typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Nothing.
    Nothing,
    /// Something for the model.
    Message(String),
    Help,
    System(Option<String>),
    Set(Option<(String, Option<String>)>),
    Clear,
    Regenerate,
    Save(PathBuf),
    Load(PathBuf),
    Model(Option<String>),
    Stats,
    Exit,
    /// A command that cannot be understood, and why.
    Unclear(String),
}

impl Entry {
    /// Reads what was typed. A message that begins with a slash is typed with two.
    pub(super) fn read(text: &str) -> Self {
        if let Some(message) = text.trim().strip_prefix(QUOTES) {
            let message = message.strip_suffix(QUOTES).unwrap_or(message);
            let message = message.strip_prefix('\n').unwrap_or(message);
            return Self::message(message.strip_suffix('\n').unwrap_or(message));
        }
        let text = text.trim();
        match text.strip_prefix('/') {
            Some(message) if message.starts_with('/') => Self::message(message),
            Some(_) => Self::command(text),
            None => Self::message(text),
        }
    }

    fn message(text: &str) -> Self {
        if text.trim().is_empty() { Self::Nothing } else { Self::Message(text.to_owned()) }
    }

    fn command(text: &str) -> Self {
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        let argument = (!rest.is_empty()).then(|| rest.to_owned());
        let file = |make: fn(PathBuf) -> Self| match &argument {
            Some(path) => make(expand_home(path)),
            None => Self::Unclear(format!("{name} needs the name of a file")),
        };
        match name {
            "/help" | "/?" => Self::Help,
            "/system" => Self::System(argument),
            "/set" => {
                Self::Set(argument.map(|argument| match argument.split_once(char::is_whitespace) {
                    Some((name, value)) => (name.to_owned(), Some(value.trim().to_owned())),
                    None => (argument, None),
                }))
            }
            "/clear" => Self::Clear,
            "/regenerate" => Self::Regenerate,
            "/save" => file(Self::Save),
            "/load" => file(Self::Load),
            "/model" => Self::Model(argument),
            "/stats" => Self::Stats,
            "/exit" | "/quit" | "/bye" => Self::Exit,
            _ => Self::Unclear(format!("there is no command {name}")),
        }
    }
}

/// Whether more lines belong to what was typed.
pub(super) fn is_unfinished(text: &str) -> bool {
    let text = text.trim();
    let Some(rest) = text.strip_prefix(QUOTES) else { return false };
    !rest.ends_with(QUOTES)
}

/// `~/` is the home folder, as in a shell.
fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Entry {
        Entry::Message(text.to_owned())
    }

    #[test]
    fn messages_and_commands() {
        assert_eq!(Entry::read("  Hello there \n"), message("Hello there"));
        assert_eq!(Entry::read(" \t"), Entry::Nothing);
        assert_eq!(Entry::read("//etc is a folder"), message("/etc is a folder"));
        assert_eq!(Entry::read("/help"), Entry::Help);
        assert_eq!(Entry::read("/system  Be brief. "), Entry::System(Some("Be brief.".into())));
        assert_eq!(Entry::read("/system"), Entry::System(None));
        assert_eq!(Entry::read("/set"), Entry::Set(None));
        assert_eq!(Entry::read("/set seed"), Entry::Set(Some(("seed".into(), None))));
        let set = Entry::Set(Some(("stop".into(), Some("a b".into()))));
        assert_eq!(Entry::read("/set stop  a b"), set);
        assert_eq!(Entry::read("/save a b.json"), Entry::Save("a b.json".into()));
        assert_eq!(Entry::read("/quit"), Entry::Exit);
        assert_eq!(Entry::read("/save"), Entry::Unclear("/save needs the name of a file".into()));
        assert_eq!(Entry::read("/sing"), Entry::Unclear("there is no command /sing".into()));
    }

    #[test]
    fn several_lines_stand_between_quotes() {
        assert_eq!(Entry::read("\"\"\"\n/one\n  two\n\"\"\""), message("/one\n  two"));
        assert_eq!(Entry::read("\"\"\"one\"\"\""), message("one"));
        assert_eq!(Entry::read("\"\"\"\n\"\"\""), Entry::Nothing);
        assert_eq!(Entry::read("a\nb"), message("a\nb"), "pasted");
        assert!(is_unfinished("\"\"\""));
        assert!(is_unfinished("\"\"\"one\ntwo"));
        assert!(!is_unfinished("\"\"\"one\ntwo\"\"\" "));
        assert!(!is_unfinished("one \"\"\""));
        assert!(!is_unfinished("\"\"\"\"\"\""));
    }

    #[test]
    fn every_command_that_help_names_is_understood() {
        for (name, argument, _) in COMMANDS {
            let text = format!("{name} {argument}");
            assert!(!matches!(Entry::read(&text), Entry::Unclear(_)), "{text}");
        }
    }
}
