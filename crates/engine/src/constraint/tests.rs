//! Tests of following grammars, on a small vocabulary with everything that is awkward.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sampling::random::philox4x32;
use crate::sampling::{Draw, Sampler, SamplingParams, Workspace};

/// Every byte, some words, two spellings of a letter, an empty and two control tokens.
pub(super) struct Words {
    tokens: Vec<Vec<u8>>,
    splits_text: bool,
}

const END: u32 = 256;
const TOOL: u32 = 257;
const EMPTY: u32 = 258;

impl Words {
    pub(super) fn new(splits_text: bool) -> Self {
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        tokens.extend(["<|end|>", "<|tool|>", ""].map(Into::into));
        tokens.extend(
            [
                "a", "{\"", "\":", "\": ", "\",", "\", \"", "\"}", "name", "age", "items", "true",
                "false", "null", "12", "345", ", ", ": ", "[]", "{}", "\n  ", "  ", " the", "the",
                "ing", "ä", "日本", "\\n", "}\n", "]}", "select ", "from ", "where", "0.5", "e+1",
                "-", "yes", "no", "maybe", "2024-", "01-", "\u{301}",
            ]
            .map(Into::into),
        );
        // The first bytes of a character, and a character with what follows.
        tokens.push(vec![0xE6, 0x97]);
        tokens.push(vec![0xA5, b'"']);
        tokens.push(vec![b'x', 0xFF]);
        tokens.push(vec![b'y'; 2000]);
        Self { tokens, splits_text }
    }

    fn text(&self, tokens: &[u32]) -> Vec<u8> {
        tokens
            .iter()
            .filter(|&&token| !self.is_control(token))
            .flat_map(|&token| self.tokens[token as usize].clone())
            .collect()
    }
}

impl Vocabulary for Words {
    fn vocab_len(&self) -> usize {
        self.tokens.len()
    }
    fn token_bytes(&self, id: u32) -> &[u8] {
        &self.tokens[id as usize]
    }
    fn is_control(&self, id: u32) -> bool {
        matches!(id, END | TOOL)
    }
    fn is_end_of_generation(&self, id: u32) -> bool {
        id == END
    }
    fn tokenize(&self, text: &[u8]) -> Option<Vec<u32>> {
        if !self.splits_text {
            return None;
        }
        let mut rest = text;
        let mut tokens = Vec::new();
        while !rest.is_empty() {
            let (id, token) = self
                .tokens
                .iter()
                .enumerate()
                .filter(|(id, token)| {
                    !token.is_empty() && !self.is_control(*id as u32) && rest.starts_with(token)
                })
                .max_by_key(|(id, token)| (token.len(), std::cmp::Reverse(*id)))?;
            tokens.push(id as u32);
            rest = &rest[token.len()..];
        }
        Some(tokens)
    }
}

pub(super) fn grammars() -> Grammars {
    Grammars::new(Arc::new(Words::new(true)))
}

fn is_allowed(mask: &[u32], token: u32) -> bool {
    mask[token as usize / 32] >> (token % 32) & 1 == 1
}

/// Lets chance write an answer; after a while what closes things becomes likely.
fn random_answer(constraint: &mut Constraint, seed: u64) -> Vec<u8> {
    let words = Words::new(false);
    let vocab_len = words.vocab_len();
    let sampler =
        Sampler::new(&SamplingParams { seed, ..SamplingParams::untruncated() }, vocab_len).unwrap();
    let mut workspace = Workspace::new();
    for position in 0..2000 {
        if constraint.is_done() && constraint.tokens().last() == Some(&END) {
            break;
        }
        let mut logits: Vec<f32> = (0..vocab_len as u32)
            .map(|token| {
                let noise = philox4x32([token, position as u32, 0, 9], [seed as u32, 3])[0];
                (noise >> 8) as f32 / 4_000_000.0
            })
            .collect();
        // Exponents of four digits are JSON, but the parser of the test cannot read them.
        for token in ["e", "E", "e+1"] {
            let id = words.tokens.iter().position(|t| t == token.as_bytes()).unwrap();
            logits[id] -= 30.0;
        }
        if position > 40 {
            for token in ["\"", "}", "]", "\"}", "]}", ",", ":", "a", "b", "\n"] {
                let id = words.tokens.iter().position(|t| t == token.as_bytes()).unwrap();
                logits[id] += 12.0;
            }
            logits[END as usize] += 20.0;
        }
        let mask = constraint.mask().unwrap();
        let draw = Draw { logits: &mut logits, position, history: &[], mask: Some(mask) };
        let token = sampler.sample(&mut workspace, draw).unwrap().token;
        constraint.advance(token).unwrap();
    }
    assert_eq!(constraint.tokens().last(), Some(&END), "{constraint:?}");
    words.text(constraint.tokens())
}

/// Whether a value fits a schema, for the keywords that the tests use.
fn fits(schema: &Value, value: &Value, root: &Value) -> bool {
    let Some(fields) = schema.as_object() else { return schema == &Value::Bool(true) };
    fields.iter().all(|(name, ask)| match name.as_str() {
        "type" => match ask {
            Value::Array(types) => types.iter().any(|kind| is_type(kind, value)),
            kind => is_type(kind, value),
        },
        "$ref" => fits(root.pointer(&ask.as_str().unwrap()[1..]).unwrap(), value, root),
        "const" => value == ask,
        // 1 and 1.0 are the same number.
        "enum" => ask.as_array().unwrap().iter().any(|one| match (one.as_f64(), value.as_f64()) {
            (Some(one), Some(value)) => one == value,
            _ => one == value,
        }),
        "anyOf" => ask.as_array().unwrap().iter().any(|part| fits(part, value, root)),
        "allOf" => ask.as_array().unwrap().iter().all(|part| fits(part, value, root)),
        "minimum" => value.as_f64().is_none_or(|v| v >= ask.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|v| v <= ask.as_f64().unwrap()),
        "multipleOf" => value.as_i64().is_none_or(|v| v % ask.as_i64().unwrap() == 0),
        "minLength" => length(value).is_none_or(|n| n >= ask.as_u64().unwrap()),
        "maxLength" => length(value).is_none_or(|n| n <= ask.as_u64().unwrap()),
        "pattern" => value.as_str().is_none_or(|text| {
            fancy_regex::Regex::new(ask.as_str().unwrap()).unwrap().is_match(text).unwrap()
        }),
        "minItems" => value.as_array().is_none_or(|v| v.len() as u64 >= ask.as_u64().unwrap()),
        "maxItems" => value.as_array().is_none_or(|v| v.len() as u64 <= ask.as_u64().unwrap()),
        "items" => value.as_array().is_none_or(|v| v.iter().all(|item| fits(ask, item, root))),
        "required" => value.as_object().is_none_or(|v| {
            ask.as_array().unwrap().iter().all(|name| v.contains_key(name.as_str().unwrap()))
        }),
        "properties" => value.as_object().is_none_or(|v| {
            let known = ask.as_object().unwrap();
            v.iter().all(|(name, value)| known.get(name).is_none_or(|s| fits(s, value, root)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|v| {
            let known = fields.get("properties").and_then(Value::as_object);
            v.iter().all(|(name, value)| {
                known.is_some_and(|known| known.contains_key(name)) || fits(ask, value, root)
            })
        }),
        "$defs" | "description" => true,
        other => panic!("the test does not know {other}"),
    })
}

fn is_type(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|v| v.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    }
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn schemas() -> Vec<Value> {
    let person = schema_dsl("name: who it is, age int, weight float, alive bool").unwrap();
    vec![
        person.clone(),
        multi_schema(&person),
        json!({}),
        json!(true),
        json!({"type": "object"}),
        json!({"type": "string", "maxLength": 3}),
        json!({"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-cä]*$"}),
        json!({"type": "string", "pattern": "a+b"}),
        json!({"type": "integer", "minimum": -3, "maximum": 120}),
        json!({"type": "integer", "multipleOf": 7, "minimum": 0}),
        json!({"type": "number", "minimum": 0.25, "maximum": 0.75}),
        json!({"enum": ["yes", "no", 3, null, true, {"a": [1]}]}),
        json!({"const": "日本"}),
        json!({"enum": [0.1, -1.5, 1e-7, 1.0, 12_345_678.9, 0]}),
        json!({"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4}),
        json!({"type": ["integer", "null", "boolean"]}),
        json!({"anyOf": [
            {"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]},
            {"type": "array", "items": {"type": "integer"}},
        ]}),
        json!({"allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
        ]}),
        json!({
            "type": "object",
            "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}},
            "required": ["value"],
            "$defs": {"node": {"anyOf": [{"type": "null"}, {
                "type": "object",
                "properties": {"next": {"$ref": "#/$defs/node"}},
                "required": ["next"],
            }]}},
        }),
        json!({
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "additionalProperties": {"type": "boolean"},
        }),
    ]
}

#[test]
fn every_answer_is_json_that_fits_the_schema() {
    for splits_text in [true, false] {
        let grammars = Grammars::new(Arc::new(Words::new(splits_text)));
        for schema in schemas() {
            let start = Constraint::json_schema_value(&grammars, &schema).unwrap();
            for seed in 0..12 {
                let answer = random_answer(&mut start.restarted(), seed);
                let text = String::from_utf8(answer).unwrap();
                let value: Value = serde_json::from_str(&text)
                    .unwrap_or_else(|fault| panic!("{schema}: {text:?}: {fault}"));
                assert!(fits(&schema, &value, &schema), "{schema}: {text}");
            }
        }
    }
}

#[test]
fn an_object_that_lists_its_properties_gets_no_others() {
    let schema = schema_dsl("name, age int").unwrap();
    let constraint = Constraint::json_schema_value(&grammars(), &schema).unwrap();
    for seed in 0..20 {
        let answer = random_answer(&mut constraint.restarted(), seed);
        let value: Value = serde_json::from_slice(&answer).unwrap();
        let names: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(names, ["name", "age"]);
    }
}

#[test]
fn every_answer_matches_the_regular_expression_from_end_to_end() {
    let expressions = [
        "(yes|no|maybe)( the)*",
        r"\d{4}-\d{2}-\d{2}",
        "^[a-zä]{2,7}$",
        r"(?i)select [a-z/]+\nfrom\s",
        r"(\{[^{}]*\}){1,3}",
        "日本+|ä\u{301}",
        "",
    ];
    for splits_text in [true, false] {
        let grammars = Grammars::new(Arc::new(Words::new(splits_text)));
        for expression in expressions {
            let whole = fancy_regex::Regex::new(&format!(r"\A(?:{expression})\z")).unwrap();
            let start = Constraint::regex(&grammars, expression).unwrap();
            for seed in 0..12 {
                let text = String::from_utf8(random_answer(&mut start.restarted(), seed)).unwrap();
                assert!(whole.is_match(&text).unwrap(), "{expression}: {text:?}");
            }
        }
    }
}

#[test]
fn every_answer_is_derived_from_the_grammar() {
    let grammar = "start: sum\nsum: product (\"+\" product)*\nproduct: NUMBER | \"(\" sum \")\"\n\
                   NUMBER: /[0-9]{1,3}/\n";
    let start = Constraint::lark(&grammars(), grammar).unwrap();
    for seed in 0..30 {
        let mut constraint = start.restarted();
        // Open parentheses are closed for the text to end.
        let text = String::from_utf8(random_answer_of_sums(&mut constraint, seed)).unwrap();
        let depth = text.chars().fold(0_i32, |depth, c| match c {
            '(' => depth + 1,
            ')' => depth - 1,
            _ => depth,
        });
        assert_eq!(depth, 0, "{text}");
        assert!(text.chars().all(|c| "0123456789+()".contains(c)), "{text}");
        assert!(!text.contains("++") && !text.contains("()"), "{text}");
    }
}

fn random_answer_of_sums(constraint: &mut Constraint, seed: u64) -> Vec<u8> {
    let words = Words::new(false);
    for position in 0..500_u32 {
        let mask = constraint.mask().unwrap().to_vec();
        let allowed: Vec<u32> =
            (0..words.vocab_len() as u32).filter(|&token| is_allowed(&mask, token)).collect();
        let closing = [END, u32::from(b')'), u32::from(b'1')];
        let close = closing.iter().find(|token| position > 30 && allowed.contains(token));
        let noise = philox4x32([position, 0, 0, 0], [seed as u32, 4])[0];
        let token = *close.unwrap_or(&allowed[noise as usize % allowed.len()]);
        constraint.advance(token).unwrap();
        if token == END {
            return words.text(constraint.tokens());
        }
    }
    panic!("no end: {constraint:?}");
}

#[test]
fn the_end_is_allowed_where_the_answer_may_end() {
    let mut constraint = Constraint::regex(&grammars(), "aa?").unwrap();
    assert!(!constraint.can_end().unwrap() && !constraint.is_done());
    assert!(!is_allowed(constraint.mask().unwrap(), END));
    let fault = constraint.advance(END).unwrap_err();
    assert_eq!(fault.to_string(), "token 256 (\"<|end|>\") cannot follow \"\"");
    constraint.advance(u32::from(b'a')).unwrap();
    assert!(constraint.can_end().unwrap() && !constraint.is_done());
    assert!(is_allowed(constraint.mask().unwrap(), END));
    assert!(is_allowed(constraint.mask().unwrap(), u32::from(b'a')));
    // The other token for the same letter too.
    assert!(is_allowed(constraint.mask().unwrap(), 259));
    constraint.advance(259).unwrap();
    assert!(constraint.is_done() && constraint.can_end().unwrap());
    let only_end: Vec<u32> = (0..constraint.mask().unwrap().len() as u32 * 32)
        .filter(|&token| is_allowed(constraint.mask().unwrap(), token))
        .collect();
    assert_eq!(only_end, [END]);
    constraint.advance(END).unwrap();
    let fault = constraint.advance(END).unwrap_err();
    assert_eq!(fault.to_string(), "the answer has ended: token 256 cannot follow");
    constraint.rollback(2).unwrap();
    assert!(!constraint.is_done());
    assert_eq!(constraint.tokens(), [u32::from(b'a')]);
    constraint.advance(END).unwrap();
    assert!(constraint.is_done());
}

#[test]
fn tokens_that_are_no_text_are_never_allowed() {
    let mut constraint = Constraint::regex(&grammars(), "(?s).*").unwrap();
    let mask = constraint.mask().unwrap();
    let long = Words::new(true).vocab_len() as u32 - 1;
    for token in [0xFF, TOOL, EMPTY, long, long - 1] {
        assert!(!is_allowed(mask, token), "{token}");
    }
    assert!(is_allowed(mask, 0xE6) && is_allowed(mask, long - 3));
    // Inside a character only its continuation may follow.
    constraint.advance(0xE6).unwrap();
    assert!(!is_allowed(constraint.mask().unwrap(), u32::from(b'a')));
    assert!(!constraint.can_end().unwrap());
}

#[test]
fn a_grammar_may_ask_for_a_control_token() {
    let mut constraint = Constraint::lark(&grammars(), "start: \"a\" <|tool|> \"b\"").unwrap();
    constraint.advance(u32::from(b'a')).unwrap();
    assert!(is_allowed(constraint.mask().unwrap(), TOOL));
    constraint.advance(TOOL).unwrap();
    constraint.advance(u32::from(b'b')).unwrap();
    assert!(constraint.is_done());
    constraint.rollback(2).unwrap();
    assert!(is_allowed(constraint.mask().unwrap(), TOOL));
}

#[test]
fn refused_tokens_change_nothing() {
    let mut constraint = Constraint::regex(&grammars(), "abc").unwrap();
    constraint.advance(u32::from(b'a')).unwrap();
    let before = constraint.mask().unwrap().to_vec();
    let fault = constraint.advance(u32::from(b'x')).unwrap_err();
    assert_eq!(fault.to_string(), "token 120 (\"x\") cannot follow \"a\"");
    let fault = constraint.advance(100_000).unwrap_err();
    assert_eq!(fault.to_string(), "token 100000 does not exist: the vocabulary has 304");
    let fault = constraint.rollback(2).unwrap_err();
    assert_eq!(fault.to_string(), "cannot take back 2 tokens: there are 1");
    assert_eq!(constraint.mask().unwrap(), before);
    let bc = [u32::from(b'b'), u32::from(b'c')];
    assert_eq!(constraint.accepts(&[bc[0], bc[0], bc[1]]).unwrap(), 1);
    assert_eq!(constraint.accepts(&bc).unwrap(), 2);
    assert_eq!(constraint.accepts(&[100_000]).unwrap(), 0);
    constraint.advance(bc[0]).unwrap();
    constraint.advance(bc[1]).unwrap();
    assert!(constraint.is_done());
}

#[test]
fn forced_text_comes_in_the_vocabularys_own_tokens() {
    let schema = json!({
        "type": "object",
        "properties": {"name": {"enum": ["the", "there"]}},
        "required": ["name"],
    });
    let words = Words::new(true);
    let mut constraint = Constraint::json_schema_value(&grammars(), &schema).unwrap();
    // White space may follow the brace, so that is all that is certain.
    let forced = constraint.forced_tokens().unwrap();
    assert!(b"{\"name\"".starts_with(&words.text(&forced)), "{forced:?}");
    for token in words.tokenize(b"{\"name\":\"the").unwrap() {
        constraint.advance(token).unwrap();
    }
    assert!(constraint.forced_tokens().unwrap().is_empty());
    let expression = Constraint::regex(&grammars(), "the selecting name").unwrap();
    let mut constraint = expression.restarted();
    let forced = constraint.forced_tokens().unwrap();
    assert_eq!(forced, words.tokenize(b"the selecting name").unwrap());
    // The mask demands the same token.
    let allowed: Vec<u32> = (0..words.vocab_len() as u32)
        .filter(|&token| is_allowed(constraint.mask().unwrap(), token))
        .collect();
    assert_eq!(allowed, forced[..1]);
    for token in forced {
        constraint.advance(token).unwrap();
    }
    assert!(constraint.is_done());
    assert!(constraint.forced_tokens().unwrap().is_empty());
    // A vocabulary that cannot split text leaves the spelling to the model.
    let grammars = Grammars::new(Arc::new(Words::new(false)));
    let mut constraint = Constraint::regex(&grammars, "the").unwrap();
    assert!(constraint.forced_tokens().unwrap().is_empty());
    assert!(is_allowed(constraint.mask().unwrap(), u32::from(b't')));
}

#[test]
fn clones_share_nothing_that_changes() {
    let mut first = Constraint::json_object(&grammars()).unwrap();
    first.advance(u32::from(b'{')).unwrap();
    let at_brace = first.mask().unwrap().to_vec();
    let mut second = first.clone();
    let mut third = first.restarted();
    first.advance(u32::from(b'}')).unwrap();
    assert_eq!(second.mask().unwrap(), at_brace);
    second.advance(u32::from(b'"')).unwrap();
    assert!(first.is_done() && !second.is_done() && third.tokens().is_empty());
    third.advance(u32::from(b'{')).unwrap();
    assert_eq!(third.mask().unwrap(), at_brace);
}

#[test]
fn constraints_can_move_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Grammars>();
    check::<Constraint>();
}

/// Grammars of which one cannot be followed backwards (`stop=`).
fn some_grammars(index: usize) -> Constraint {
    let grammars = grammars();
    match index {
        0 => Constraint::json_object(&grammars),
        1 => Constraint::json_schema_value(&grammars, &schemas()[1]),
        2 => Constraint::regex(&grammars, "[a-z ]*the(ä|日本)?.*"),
        3 => Constraint::lark(&grammars, "start: (NUMBER \",\")* NUMBER\nNUMBER: /[0-9]+/"),
        _ => Constraint::lark(&grammars, "start: a b\na[stop=\".\"]: /[a-z ]*/\nb: /[0-9]*/"),
    }
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn taking_back_leads_to_the_state_before(
        which in 0_usize..5,
        choices in prop::collection::vec(any::<u32>(), 1..25),
        back in 0_usize..25,
    ) {
        let start = some_grammars(which);
        let mut constraint = start.restarted();
        let mut masks: Vec<Vec<u32>> = Vec::new();
        for choice in choices {
            let mask = constraint.mask().unwrap().to_vec();
            let allowed: Vec<u32> =
                (0..mask.len() as u32 * 32).filter(|&token| is_allowed(&mask, token)).collect();
            masks.push(mask);
            constraint.advance(allowed[choice as usize % allowed.len()]).unwrap();
            if constraint.tokens().last() == Some(&END) {
                break;
            }
        }
        let back = back.min(masks.len());
        let kept = masks.len() - back;
        constraint.rollback(back).unwrap();
        prop_assert_eq!(constraint.tokens().len(), kept);
        if back > 0 {
            prop_assert_eq!(constraint.mask().unwrap(), &*masks[kept]);
        }
        // A second constraint that never went further allows the same.
        let mut other = start.restarted();
        for &token in constraint.tokens() {
            other.advance(token).unwrap();
        }
        prop_assert_eq!(other.mask().unwrap(), constraint.mask().unwrap());
        prop_assert_eq!(other.can_end().unwrap(), constraint.can_end().unwrap());
        prop_assert_eq!(other.forced_tokens().unwrap(), constraint.forced_tokens().unwrap());
    }
}
