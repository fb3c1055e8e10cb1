//! What is said about grammars that cannot be followed, and that none takes long.

use std::sync::Arc;

use serde_json::{Value, json};

use super::tests::grammars;
use super::*;

fn schema_fault(schema: &Value) -> String {
    match Constraint::json_schema_value(&grammars(), schema) {
        Ok(_) => panic!("{schema} is accepted"),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn faults_of_the_text_are_shown_where_they_are() {
    let fault = Constraint::json_schema(&grammars(), "{\n  \"type\": object\n}").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "json schema, line 2, column 11: expected value\n    \"type\": object\n            ^"
    );
    let fault = Constraint::json_schema(&grammars(), "{\"a\": 1").unwrap_err();
    assert!(fault.to_string().contains("EOF while parsing an object"), "{fault}");
}

#[test]
fn faults_of_a_schema_have_a_path_and_a_remedy() {
    for (schema, want) in faulty_schemas().into_iter().chain(faulty_values()) {
        let fault = schema_fault(&schema);
        assert!(fault.starts_with(&format!("json schema, at {want}")), "{schema}\n{fault}");
    }
}

/// Schemas that cannot be followed, with the beginning of what is said about them.
fn faulty_schemas() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({"properties": {"age": {"type": "int"}}}),
            "$.properties.age.type: \"int\" is not a type; write \"integer\"",
        ),
        (
            json!({"type": ["string", "whatever"]}),
            "$.type: \"whatever\" is not a type; choose from null, boolean, integer, number, \
             string, array, object",
        ),
        (
            json!({"properties": {"a b": {"not": {"type": "null"}}}}),
            "$.properties[\"a b\"].not: this keyword cannot be followed while generating; say \
             what is allowed: with enum, pattern or anyOf",
        ),
        (
            json!({"items": {"uniqueItems": true}}),
            "$.items.uniqueItems: this keyword cannot be followed while generating; leave it \
             out and check the answer, or use an object with boolean properties",
        ),
        (
            json!({"anyOf": [{"type": "null"}, {"$ref": "#/$defs/nod"}], "$defs": {"node": {}}}),
            "$.anyOf[1].$ref: \"#/$defs/nod\" does not exist; define it, or refer to one of \
             #/$defs/node",
        ),
        (
            json!({"$ref": "https://example.com/schema"}),
            "$.$ref: \"https://example.com/schema\" is outside this schema, and nothing is \
             fetched; copy the definition into $defs and refer to \"#/$defs/name\"",
        ),
        (
            json!({"$ref": "#"}),
            "$.$ref: \"#\" refers to itself and to nothing else; refer to a schema with a type",
        ),
        (
            json!({"format": "color"}),
            "$.format: the format \"color\" is not known; choose from date-time, date, time, \
             duration, email, hostname, ipv4, ipv6, uuid, uri, or write a pattern",
        ),
        (
            json!({"type": "object", "required": ["a"],
                "properties": {"a": {"minimum": 5, "maximum": 3, "type": "integer"}}}),
            "$.properties.a: no value fits: ",
        ),
        (
            json!({"allOf": [{"type": "string"}, {"type": "integer"}]}),
            "$: no value fits: incompatible types; loosen one of the conditions, or remove one",
        ),
        (
            json!({"$defs": {"x": {"type": "string", "minLength": 4, "maxLength": 2}},
                "type": "object", "required": ["a"],
                "properties": {"a": {"$ref": "#/$defs/x"}}}),
            "$.$defs.x: no value fits: ",
        ),
        (
            json!({"type": "object", "required": ["a"],
                "properties": {"a": {"oneOf": [{"type": "integer"}, {"minimum": 3}]}}}),
            "$.properties.a: the cases of oneOf overlap; use anyOf, or give each case a \
             property with a different const",
        ),
    ]
}

/// The same for keywords whose values are wrong.
fn faulty_values() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"minLength": -1}), "$.minLength: -1 is not a count; write a whole number from 0"),
        (
            json!({"maxItems": 1_000_000}),
            "$.maxItems: 1000000 is more than can be counted while generating; write at most \
             1000, or leave it out",
        ),
        (json!({"required": "a"}), "$.required: not a list of names; list the names of properties"),
        (json!({"enum": []}), "$.enum: not a list of values; list the values that are allowed"),
        (json!({"anyOf": []}), "$.anyOf: the list is empty; write at least one schema"),
        (json!({"items": 3}), "$.items: not a list of schemas; put the schemas into [ ]"),
        (
            json!({"properties": []}),
            "$.properties: not an object; write an object that gives each name its schema",
        ),
        (json!({"maximum": "9"}), "$.maximum: \"9\" is not a number; write a number"),
        (json!(3), "$: 3 is not a schema; write an object, true or false"),
        (json!(false), "$: no value fits: schema is false; "),
        (
            json!({"pattern": "a(b"}),
            "$.pattern: regular expression, line 1, column 2: unclosed group\n  a(b\n   ^; \
             patterns have the syntax of the Rust crate `regex`",
        ),
        (
            json!({"patternProperties": {"^(a": true}}),
            "$.patternProperties[\"^(a\"]: regular expression, line 1, column 2: unclosed group",
        ),
    ]
}

#[test]
fn keywords_without_a_meaning_are_noticed() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string", "maxlength": 3}},
        "uniqueItems": false,
    });
    let constraint = Constraint::json_schema_value(&grammars(), &schema).unwrap();
    assert_eq!(constraint.warnings(), ["$.properties.a.maxlength is not a keyword and is ignored"]);
}

#[test]
fn faults_of_a_grammar_are_shown_where_they_are() {
    let fault = |text: &str| Constraint::lark(&grammars(), text).unwrap_err().to_string();
    let unknown = fault("start: greeting name\ngreeting: \"hi\"\n");
    assert!(unknown.starts_with("grammar, line 1, column 17: "), "{unknown}");
    assert!(unknown.ends_with("  start: greeting name\n                  ^^^^"), "{unknown}");
    let unclosed = fault("start: (\"a\" | \"b\"\n");
    assert!(unclosed.starts_with("grammar, line "), "{unclosed}");
    let stray = fault("start: \"a\"\n?? b\n");
    assert!(stray.starts_with("grammar, line 2, column 1: "), "{stray}");
    let none = fault("");
    assert!(none.starts_with("grammar"), "{none}");
    let regex = fault("start: A\nA: /a(/\n");
    assert!(regex.starts_with("grammar"), "{regex}");
}

#[test]
fn faults_hold_nothing_of_the_librarys_insides() {
    let texts = ["start: b", "start: /(/", "start: \"a", "%json {", "start: %json {\"type\": 3}"];
    for text in texts {
        let fault = Constraint::lark(&grammars(), text).unwrap_err().to_string();
        for word in ["backtrace", "<state>", "<non-verbose", "panic", "llguidance"] {
            assert!(!fault.contains(word), "{fault}");
        }
    }
}

/// Text that asks for much work: each is refused, or made and followed, in short time.
#[test]
fn hostile_schemas_end_soon() {
    let deep_schema = (0..500).fold(json!({}), |inner, _| json!({"items": inner}));
    let wide = |count: usize| -> Value {
        let properties: serde_json::Map<String, Value> =
            (0..count).map(|i| (format!("p{i}"), json!({"type": "integer"}))).collect();
        json!({"type": "object", "properties": properties})
    };
    let doubling = {
        let mut definitions = serde_json::Map::new();
        for i in 0..40 {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            definitions.insert(format!("d{i}"), json!({"allOf": [next, {"anyOf": [next, next]}]}));
        }
        definitions.insert("d40".into(), json!({"type": "integer"}));
        json!({"$ref": "#/$defs/d0", "$defs": definitions})
    };
    let any_of_all: Value = json!({"allOf": (0..12).map(|i| json!({"anyOf": [
        {"properties": {format!("a{i}"): {"type": "string"}}},
        {"properties": {format!("b{i}"): {"type": "integer"}}},
    ]})).collect::<Vec<_>>()});
    let nested_counts = json!({"type": "array", "minItems": 1000, "items":
        {"type": "array", "minItems": 1000, "items": {"type": "array", "minItems": 1000}}});
    let schemas = [
        deep_schema,
        wide(3000),
        wide(20_000),
        doubling,
        any_of_all,
        nested_counts,
        json!({"type": "string", "maxLength": 10_000, "pattern": "(a|b)*c{500}"}),
        json!({"type": "string", "pattern": "(.*a){30}.{100}"}),
        json!({"type": "string", "pattern": "^(a?){100}a{100}$"}),
        json!({"type": "integer", "multipleOf": 99_991}),
        json!({"type": "number", "multipleOf": 1e-300}),
        json!({"type": "integer", "minimum": -1e300, "maximum": 1e300}),
        json!({"type": "integer", "minimum": -9_007_199_254_740_992_i64,
            "maximum": 9_007_199_254_740_992_i64}),
        json!({"type": "number", "minimum": 1.234_567_890_123e-12, "maximum": 9e15}),
        json!({"type": "integer", "multipleOf": 9_973}),
        json!({"const": 9_007_199_254_740_993_i64}),
        json!({"enum": [1e-12, 123_456.789_012_345_6, -0.0, 5e-324]}),
        json!({"enum": (0..20_000).collect::<Vec<_>>()}),
        json!({"const": "x".repeat(200_000)}),
        json!({"$ref": 3}),
        json!({"$ref": "é".repeat(200)}),
        json!({"properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}}),
        json!({"allOf": [{"$ref": "#"}], "type": "object"}),
        json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}),
        json!({"x-guidance": {"whitespace_pattern": "("}}),
        json!({"x-guidance": 3}),
    ];
    let grammars = grammars();
    for schema in schemas {
        finish(Constraint::json_schema_value(&grammars, &schema), &schema.to_string());
    }
}

#[test]
fn hostile_grammars_end_soon() {
    let grammars = grammars();
    let rules =
        (0..30).fold(String::new(), |rules, i| rules + &format!("r{i}: r{0} r{0}\n", i + 1));
    let larks = [
        format!("start: r0\n{rules}r30: \"a\"\n"),
        "start: start start | \"a\" | \n".into(),
        "start: start\n".into(),
        format!("start: {}\n", "(".repeat(10_000)),
        "start: A{1000000}\nA: \"a\"\n".into(),
        "start: a{1000000}\na: \"b\" | \"c\"\n".into(),
        "start: A\nA: B{30000}\nB: /[ab]{30000}/\n".into(),
        "start: /(.*a.*b){200}/\n".into(),
        "start: %lark { start: %lark { start: \"a\" } }\n".into(),
        "start: a\na[max_tokens=3]: /.*/\n".into(),
        "%llguidance {}\nstart: <[0-9999]>\n".into(),
        "start: \"\\u{110000}\"\n".into(),
    ];
    for text in larks {
        finish(Constraint::lark(&grammars, &text), &text);
    }
    for text in ["(.*a.*b){200}", "(a|aa)*{50}", "((a{90}){90})*", "(?s).{10000}", r"\p{L}{3000}"] {
        finish(Constraint::regex(&grammars, text), text);
    }
}

/// Follows a constraint for some tokens, if it could be made; errors are fine.
fn finish(made: Result<Constraint, ConstraintError>, text: &str) {
    let what: String = text.chars().take(60).collect();
    let mut constraint = match made {
        Ok(constraint) => constraint,
        Err(ConstraintError::Library { message }) => panic!("{what}: {message}"),
        Err(_) => return,
    };
    for step in 0..40_usize {
        let Ok(mask) = constraint.mask() else { return };
        let allowed: Vec<u32> = (0..mask.len() as u32 * 32)
            .filter(|token| mask[*token as usize / 32] >> (token % 32) & 1 == 1)
            .collect();
        let token = allowed[step * 7 % allowed.len()];
        if constraint.advance(token).is_err() || constraint.is_done() {
            return;
        }
    }
}

#[test]
fn a_vocabulary_that_is_too_large_is_an_error() {
    struct Many;
    impl Vocabulary for Many {
        fn vocab_len(&self) -> usize {
            1 << 25
        }
        fn token_bytes(&self, _: u32) -> &[u8] {
            b""
        }
        fn is_control(&self, _: u32) -> bool {
            false
        }
        fn is_end_of_generation(&self, _: u32) -> bool {
            false
        }
    }
    let fault = Constraint::regex(&Grammars::new(Arc::new(Many)), "a").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the vocabulary has 33554432 tokens, but a constraint can handle at most 16777214"
    );
}
