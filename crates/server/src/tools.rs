//! Tools that a model may ask to be called: how it is told of them, how an answer is held to one,
//! and how calls are found in what it writes.
//!
//! Calls are written as `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, which many models
//! were trained on, or as such an object, or a list of them, that is the whole answer. A call of a
//! tool that was not offered is text.

use serde_json::{Map, Value, json};

/// What stands before and after a call in an answer.
const BEGIN: &str = "<tool_call>";
const END: &str = "</tool_call>";
/// What stands before JSON that is written as Markdown.
const FENCE: &str = "```json";

/// A tool that was offered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tool {
    /// Its name: letters, digits, `_`, `-` and `.`.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// A JSON schema of its arguments, an object.
    pub(crate) parameters: Value,
}

/// Whether tools are to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// If the model wants to.
    #[default]
    Auto,
    /// No.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// A call that the model asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Of which tool.
    pub(crate) name: String,
    /// The arguments, as the text of a JSON object.
    pub(crate) arguments: String,
}

impl Tool {
    /// The tool as templates know it.
    pub(crate) fn to_template(&self) -> Value {
        let mut function = Map::new();
        function.insert("name".to_owned(), self.name.clone().into());
        if let Some(description) = &self.description {
            function.insert("description".to_owned(), description.clone().into());
        }
        function.insert("parameters".to_owned(), self.parameters.clone());
        json!({"type": "function", "function": function})
    }
}

/// What a model is told of tools whose template does not know of them.
pub(crate) fn instructions(tools: &[Tool]) -> String {
    let mut text = "You may call these tools:\n".to_owned();
    for tool in tools {
        text.push_str(&tool.to_template()["function"].to_string());
        text.push('\n');
    }
    text.push_str("To call one, write only\n");
    text.push_str(BEGIN);
    text.push_str("{\"name\": NAME, \"arguments\": ARGUMENTS}");
    text.push_str(END);
    text
}

/// A call as such a model is shown that it wrote it.
pub(crate) fn written(name: &str, arguments: &Value) -> String {
    let arguments = match arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    format!("{BEGIN}{{\"name\": {}, \"arguments\": {arguments}}}{END}", Value::from(name))
}

/// The schema of an answer that is a call, if the choice demands one.
pub(crate) fn schema(tools: &[Tool], choice: &Choice) -> Option<Value> {
    let wanted: Vec<&Tool> = match choice {
        Choice::Auto | Choice::None => return None,
        Choice::Required => tools.iter().collect(),
        Choice::Named(name) => tools.iter().filter(|tool| tool.name == *name).collect(),
    };
    let one = |tool: &Tool, place: &str| {
        let mut arguments = tool.parameters.clone();
        rebase(&mut arguments, &format!("{place}/properties/arguments"));
        // A tool that lists no arguments takes none, not any.
        if arguments["properties"].as_object().is_some_and(Map::is_empty)
            && let Value::Object(fields) = &mut arguments
        {
            fields.entry("additionalProperties").or_insert(false.into());
        }
        json!({
            "type": "object",
            "properties": {"name": {"const": tool.name}, "arguments": arguments},
            "required": ["name", "arguments"],
            "additionalProperties": false,
        })
    };
    Some(match &wanted[..] {
        [tool] => one(tool, "#"),
        several => {
            let cases = several.iter().enumerate();
            let cases = cases.map(|(i, tool)| one(tool, &format!("#/anyOf/{i}")));
            json!({"anyOf": cases.collect::<Vec<_>>()})
        }
    })
}

/// Makes references within a schema right for its new place.
fn rebase(schema: &mut Value, place: &str) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "$ref" => {
                        if let Some(rest) = text.strip_prefix('#') {
                            *text = format!("{place}{rest}");
                        }
                    }
                    value => rebase(value, place),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rebase(item, place)),
        _ => {}
    }
}

/// What a piece of an answer turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Text.
    Text(String),
    /// A call.
    Call(Call),
}

/// Finds calls in an answer as it grows. Text that may be the beginning of a call is held back.
#[derive(Clone, Debug)]
pub(crate) struct Finder {
    /// The names of the tools that were offered; without any, everything is text.
    names: Vec<String>,
    held: String,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing but white space was seen.
    Start,
    /// In text.
    Text,
    /// Between [`BEGIN`] and [`END`].
    Call,
    /// After [`END`]; white space there only parts calls.
    Parted,
    /// The answer began as JSON does: it is looked at when it is whole.
    Whole,
}

impl Finder {
    /// For an answer to which these tools were offered.
    pub(crate) fn new(tools: &[Tool]) -> Self {
        let names = tools.iter().map(|tool| tool.name.clone()).collect();
        Self { names, held: String::new(), state: State::Start }
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, text: &str) -> Vec<Found> {
        if self.names.is_empty() {
            return if text.is_empty() { Vec::new() } else { vec![Found::Text(text.to_owned())] };
        }
        self.held.push_str(text);
        let mut found = Vec::new();
        while self.advance(&mut found) {}
        found
    }

    /// Takes the end.
    pub(crate) fn finish(&mut self) -> Vec<Found> {
        let held = std::mem::take(&mut self.held);
        let mut found = match self.state {
            State::Whole => self.read_whole(&held),
            // Models forget the end of the last call.
            State::Call => self.read(held.trim()).map(|call| vec![Found::Call(call)]),
            State::Start | State::Text | State::Parted => None,
        }
        .unwrap_or_else(|| {
            let begun = if self.state == State::Call { BEGIN } else { "" };
            vec![Found::Text(format!("{begun}{held}"))]
        });
        found.retain(|found| *found != Found::Text(String::new()));
        found
    }

    /// Looks at what is held; whether there may be more to see.
    fn advance(&mut self, found: &mut Vec<Found>) -> bool {
        match self.state {
            State::Start => {
                let begun = self.held.trim_start();
                if FENCE.starts_with(begun) && begun != FENCE {
                    return false;
                }
                let is_json = begun.starts_with(['{', '[']) || begun.starts_with(FENCE);
                self.state = if is_json { State::Whole } else { State::Text };
                true
            }
            State::Text => {
                if let Some(at) = self.held.find(BEGIN) {
                    let before = self.held[..at].trim_end();
                    if !before.is_empty() {
                        found.push(Found::Text(before.to_owned()));
                    }
                    self.held.drain(..at + BEGIN.len());
                    self.state = State::Call;
                    return true;
                }
                let n_safe = self.held.len() - n_undecided(&self.held);
                if n_safe > 0 {
                    found.push(Found::Text(self.held.drain(..n_safe).collect()));
                }
                false
            }
            State::Call => {
                let Some(at) = self.held.find(END) else { return false };
                let inside: String = self.held.drain(..at + END.len()).collect();
                let inside = inside[..at].trim();
                found.push(match self.read(inside) {
                    Some(call) => Found::Call(call),
                    None => Found::Text(format!("{BEGIN}{inside}{END}")),
                });
                self.state = State::Parted;
                true
            }
            State::Parted => {
                let n_blank = self.held.len() - self.held.trim_start().len();
                self.held.drain(..n_blank);
                self.state = if self.held.is_empty() { State::Parted } else { State::Text };
                !self.held.is_empty()
            }
            State::Whole => false,
        }
    }

    /// An answer that is a call, or a list of calls, perhaps in a fence.
    fn read_whole(&self, text: &str) -> Option<Vec<Found>> {
        let mut text = text.trim();
        if let Some(inside) = text.strip_prefix(FENCE).and_then(|text| text.strip_suffix("```")) {
            text = inside.trim();
        }
        let value: Value = serde_json::from_str(text).ok()?;
        let calls = match &value {
            Value::Array(items) if !items.is_empty() => &items[..],
            one => std::slice::from_ref(one),
        };
        calls.iter().map(|call| self.read_value(call).map(Found::Call)).collect()
    }

    fn read(&self, text: &str) -> Option<Call> {
        self.read_value(&serde_json::from_str(text).ok()?)
    }

    fn read_value(&self, value: &Value) -> Option<Call> {
        let name = value.get("name")?.as_str()?;
        if !self.names.iter().any(|known| known == name) {
            return None;
        }
        let arguments = match value.get("arguments").or_else(|| value.get("parameters")) {
            Some(Value::Object(fields)) => Value::Object(fields.clone()).to_string(),
            // Some models write the object as a text.
            Some(Value::String(text)) => {
                serde_json::from_str::<Map<String, Value>>(text).ok()?;
                text.clone()
            }
            None => "{}".to_owned(),
            Some(_) => return None,
        };
        Some(Call { name: name.to_owned(), arguments })
    }
}

/// How many bytes at the end may belong to what stands before a call: the beginning of [`BEGIN`],
/// and white space, which is not part of the text if a call follows.
fn n_undecided(text: &str) -> usize {
    let n_begun = (1..BEGIN.len()).rev().find(|&n| text.ends_with(&BEGIN[..n])).unwrap_or(0);
    let before = &text[..text.len() - n_begun];
    n_begun + before.len() - before.trim_end().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tools() -> Vec<Tool> {
        let tool = |name: &str| Tool {
            name: name.to_owned(),
            description: None,
            parameters: json!({"type": "object"}),
        };
        vec![tool("weather"), tool("time")]
    }

    /// Text and calls, with neighbouring text joined.
    fn found(pieces: &[&str]) -> Vec<Found> {
        let mut finder = Finder::new(&tools());
        let mut all: Vec<Found> = pieces.iter().flat_map(|piece| finder.push(piece)).collect();
        all.extend(finder.finish());
        all.into_iter().fold(Vec::new(), |mut joined, next| {
            match (joined.last_mut(), next) {
                (Some(Found::Text(last)), Found::Text(text)) => last.push_str(&text),
                (_, next) => joined.push(next),
            }
            joined
        })
    }

    fn call(name: &str, arguments: &str) -> Found {
        Found::Call(Call { name: name.to_owned(), arguments: arguments.to_owned() })
    }

    fn text(text: &str) -> Found {
        Found::Text(text.to_owned())
    }

    const SUNNY: &str = r#"<tool_call>
{"name": "weather", "arguments": {"city": "Graz"}}
</tool_call>"#;

    #[test]
    fn calls_are_found() {
        let weather = call("weather", r#"{"city":"Graz"}"#);
        assert_eq!(found(&[SUNNY]), std::slice::from_ref(&weather));
        assert_eq!(
            found(&["Let me see.\n", SUNNY, "\n", SUNNY]),
            [text("Let me see."), weather.clone(), weather.clone()]
        );
        assert_eq!(
            found(&[r#"{"name": "weather", "parameters": {"city": "Graz"}}"#]),
            std::slice::from_ref(&weather)
        );
        assert_eq!(
            found(&[
                "```json\n",
                r#"[{"name": "time"}, {"name": "weather", "arguments": "{}"}]"#,
                "\n```"
            ]),
            [call("time", "{}"), call("weather", "{}")]
        );
        assert_eq!(found(&[&SUNNY.replace("</tool_call>", "")]), [weather]);
    }

    #[test]
    fn what_is_no_call_is_text() {
        for whole in [
            "Hello, a < b.\n",
            "<tool_cal>",
            "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>",
            "<tool_call>nothing",
            "{\"name\": \"rm\"}",
            "{\"a\": 1} and more",
            "[]",
            "",
        ] {
            let expected: Vec<Found> =
                if whole.is_empty() { Vec::new() } else { vec![text(whole)] };
            assert_eq!(found(&[whole]), expected);
        }
    }

    proptest! {
        #[test]
        fn where_pieces_end_does_not_matter(
            parts in prop::collection::vec(
                prop_oneof![
                    Just(SUNNY.to_owned()), Just("<tool_call>".to_owned()), Just("<tool".to_owned()),
                    Just("</tool_call>".to_owned()), Just("{\"name\": \"time\"}".to_owned()),
                    "[a-z ä\n]{0,6}",
                ],
                0..6,
            ),
            cuts in prop::collection::vec(0..400usize, 0..8),
        ) {
            let whole = parts.concat();
            let mut cuts: Vec<usize> =
                cuts.into_iter().filter(|&at| whole.is_char_boundary(at)).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|cut| &whole[cut[0]..cut[1]]).collect();
            prop_assert_eq!(found(&pieces), found(&[&whole]));
        }
    }

    #[test]
    fn a_tool_without_arguments_takes_none() {
        let mut tools = tools();
        tools[0].parameters = json!({"type": "object", "properties": {}});
        let named = schema(&tools, &Choice::Named("weather".to_owned())).unwrap();
        assert_eq!(named["properties"]["arguments"]["additionalProperties"], false);
        let named = schema(&tools, &Choice::Named("time".to_owned())).unwrap();
        assert_eq!(named["properties"]["arguments"], json!({"type": "object"}));
    }

    #[test]
    fn references_of_a_tool_stay_right() {
        let mut tools = tools();
        tools[1].parameters = json!({
            "type": "object", "properties": {"zone": {"$ref": "#/$defs/zone"}},
            "$defs": {"zone": {"type": "string"}}});
        let schema = schema(&tools, &Choice::Required).unwrap();
        let reference =
            &schema["anyOf"][1]["properties"]["arguments"]["properties"]["zone"]["$ref"];
        assert_eq!(reference, "#/anyOf/1/properties/arguments/$defs/zone");
        let target = reference.as_str().unwrap().trim_start_matches('#');
        assert_eq!(schema.pointer(target), Some(&json!({"type": "string"})));
    }
}
