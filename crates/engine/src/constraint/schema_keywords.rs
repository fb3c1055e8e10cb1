//! The keywords of JSON schemas: what their values are, and which can be followed.

use serde_json::Value;

/// What the value of a keyword has to be.
pub(super) enum Keyword {
    /// Says nothing about the answer.
    Annotation,
    /// Any value.
    Const,
    /// A schema.
    Schema,
    /// A schema or a list of schemas.
    SchemaOrList,
    /// A list of schemas, not empty.
    List,
    /// An object of schemas.
    Map,
    /// An object of schemas whose names are regular expressions.
    PatternMap,
    /// A type or a list of types.
    Type,
    /// A list of values, not empty.
    Enum,
    /// A list of strings.
    Names,
    /// How many characters.
    Length,
    /// How many items or properties.
    Count,
    /// A number.
    Number,
    /// A number above 0.
    Multiple,
    /// A number, or true or false as in draft 4.
    Limit,
    /// A regular expression.
    Pattern,
    /// The name of a format.
    Format,
    /// A reference to another schema.
    Reference,
    /// Cannot be followed while an answer is generated.
    Unsupported {
        /// A value with which the keyword says nothing.
        harmless: Option<Value>,
        /// What to do instead.
        remedy: &'static str,
    },
}

/// Returns what is known of a keyword; `None` if it is none.
pub(super) fn keyword(name: &str) -> Option<Keyword> {
    let unsupported = |remedy| Keyword::Unsupported { harmless: None, remedy };
    Some(match name {
        "$anchor" | "$comment" | "$id" | "$schema" | "contentEncoding" | "contentMediaType"
        | "default" | "deprecated" | "description" | "example" | "examples" | "id" | "readOnly"
        | "title" | "writeOnly" => Keyword::Annotation,
        "const" => Keyword::Const,
        "additionalItems" | "additionalProperties" => Keyword::Schema,
        "items" => Keyword::SchemaOrList,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Keyword::List,
        "$defs" | "definitions" | "properties" => Keyword::Map,
        "patternProperties" => Keyword::PatternMap,
        "type" => Keyword::Type,
        "enum" => Keyword::Enum,
        "required" => Keyword::Names,
        "maxLength" | "minLength" => Keyword::Length,
        "maxItems" | "maxProperties" | "minItems" | "minProperties" => Keyword::Count,
        "maximum" | "minimum" => Keyword::Number,
        "multipleOf" => Keyword::Multiple,
        "exclusiveMaximum" | "exclusiveMinimum" => Keyword::Limit,
        "pattern" => Keyword::Pattern,
        "format" => Keyword::Format,
        "$ref" => Keyword::Reference,
        "not" => unsupported("say what is allowed: with enum, pattern or anyOf"),
        "if" | "then" | "else" | "dependentSchemas" | "dependencies" | "dependentRequired" => {
            unsupported("use anyOf with one schema for each case")
        }
        "contains" | "minContains" | "maxContains" => {
            unsupported("use prefixItems for items with a place of their own")
        }
        "propertyNames" => unsupported("use patternProperties"),
        "uniqueItems" => Keyword::Unsupported {
            harmless: Some(Value::Bool(false)),
            remedy: "leave it out and check the answer, or use an object with boolean properties",
        },
        "unevaluatedItems" | "unevaluatedProperties" => Keyword::Unsupported {
            harmless: Some(Value::Bool(true)),
            remedy: "use items or additionalProperties",
        },
        "$dynamicAnchor" | "$dynamicRef" | "$recursiveAnchor" | "$recursiveRef" => {
            unsupported("use $ref")
        }
        "$vocabulary" => unsupported("leave it out"),
        _ => return None,
    })
}

/// The type that somebody probably meant.
pub(super) fn type_hint(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "int" | "integer" | "long" => "integer",
        "float" | "double" | "decimal" | "number" | "num" => "number",
        "bool" | "boolean" => "boolean",
        "str" | "string" | "text" => "string",
        "list" | "array" | "tuple" => "array",
        "dict" | "map" | "object" | "struct" => "object",
        "null" | "none" | "nil" => "null",
        _ => return None,
    })
}
