//! Holds a template to what its rendering may cost.
//!
//! The engine counts steps, text and the items that it visits. It does not count three things, with
//! each of which a few lines take all memory or all time: lists that are added or repeated, which
//! it joins when they are looked at; comparisons of lists in lists, where thirty doublings make a
//! thousand million pairs; and values so deep in each other that leaving them overflows the stack.
//!
//! So the operators are replaced here, one instruction for one, by functions that pay first.
//! Operators on constants would be computed while compiling, before anything is counted;
//! [`unfolded`] keeps them for later.

use minijinja::machinery::{Instruction, Instructions, Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::error::TemplateError;

/// How deep values may lie in each other where they are compared.
const MAX_DEPTH: usize = 128;

/// Items of a list that one unit of fuel pays for.
const ITEMS_PER_FUEL: u64 = 2;

/// Bytes of text that one unit of fuel pays for.
const BYTES_PER_FUEL: u64 = 64;

/// A filter that changes nothing. No template can name it.
const SAME: &str = "+same";

/// A function that an operator is replaced by. Its name is no name in Jinja, so that no template can
/// call it or put another in its place.
type Compare = fn(&Value, &Value) -> bool;

/// The operators that compare.
const COMPARISONS: [(&str, Compare); 6] = [
    ("==", |a, b| a == b),
    ("!=", |a, b| a != b),
    ("<", |a, b| a < b),
    ("<=", |a, b| a <= b),
    (">", |a, b| a > b),
    (">=", |a, b| a >= b),
];

/// Adds what operators are replaced by, and takes away what cannot be metered.
pub(super) fn add_operators(environment: &mut Environment<'_>) {
    environment.add_filter(SAME, |value: Value| value);
    environment.add_function("+", add);
    environment.add_function("*", multiply);
    environment.add_function("in ", |state: &State, item: Value, container: Value| {
        contains(state, &item, &container)
    });
    for (name, compare) in COMPARISONS {
        environment.add_function(name, move |state: &State, a: Value, b: Value| {
            weigh(state, &a, 0)?;
            weigh(state, &b, 0)?;
            Ok::<_, Error>(compare(&a, &b))
        });
    }
    // Jinja has neither; they join lists without counting them.
    environment.remove_filter("chain");
    environment.remove_filter("zip");
}

/// The instructions with operators replaced.
///
/// # Errors
/// If comparisons are chained (`a < b < c`): these cannot be replaced, and no template in use has
/// one.
pub(super) fn metered<'a>(old: &Instructions<'a>) -> Result<Instructions<'a>, TemplateError> {
    let mut new = Instructions::new(old.name(), old.source());
    let mut at = 0;
    while let Some(instruction) = old.get(at) {
        let line = old.get_line(at).unwrap_or(1);
        let name = match instruction {
            Instruction::Add => Some("+"),
            Instruction::Mul => Some("*"),
            Instruction::In => Some("in "),
            Instruction::Eq => Some("=="),
            Instruction::Ne => Some("!="),
            Instruction::Lt => Some("<"),
            Instruction::Lte => Some("<="),
            Instruction::Gt => Some(">"),
            Instruction::Gte => Some(">="),
            Instruction::CompareAndPreserve(_) => {
                let reason = "a chained comparison (`a < b < c`) is not taken; join two by `and`";
                return Err(TemplateError::Failed { line, reason: reason.to_owned() });
            }
            _ => None,
        };
        let call = |name| Instruction::CallFunction(name, Some(2));
        new.add_with_line(name.map_or_else(|| instruction.clone(), call), line as u16);
        at += 1;
    }
    Ok(new)
}

/// Writes a filter behind operands of `+` and `*` that may be constants, so that nothing is computed
/// while compiling.
pub(super) fn unfolded(source: &str, syntax: &SyntaxConfig) -> String {
    let mut out = String::with_capacity(source.len());
    let mut copied = 0;
    let mut may_be_constant = false;
    // What is no token is reported by whoever compiles the template.
    for (token, span) in tokenize(source, false, syntax.clone()).map_while(Result::ok) {
        if may_be_constant && matches!(token, Token::Plus | Token::Mul) {
            let at = span.start_offset as usize;
            out.push_str(&source[copied..at]);
            out.push_str("|");
            out.push_str(SAME);
            out.push(' ');
            copied = at;
        }
        may_be_constant = matches!(
            token,
            Token::Str(_)
                | Token::String(_)
                | Token::Int(_)
                | Token::Int128(_)
                | Token::Float(_)
                | Token::BracketClose
                | Token::ParenClose
                | Token::BraceClose
        );
    }
    out + &source[copied..]
}

/// `a + b`.
fn add(state: &State, a: Value, b: Value) -> Result<Value, Error> {
    if let (Some(first), Some(second)) = (a.as_str(), b.as_str()) {
        pay(state, first.len() + second.len(), BYTES_PER_FUEL)?;
        return Ok(Value::from([first, second].concat()));
    }
    if is_list(&a) && is_list(&b) {
        let mut items = Vec::new();
        for item in a.try_iter()?.chain(b.try_iter()?) {
            pay(state, 1, ITEMS_PER_FUEL)?;
            items.push(item);
        }
        return Ok(Value::from(items));
    }
    arithmetic("+", &a, &b, i128::checked_add, |a, b| a + b)
}

/// `a * b`.
fn multiply(state: &State, a: Value, b: Value) -> Result<Value, Error> {
    let (repeated, times) =
        if a.as_str().is_some() || is_list(&a) { (&a, &b) } else { (&b, &a) };
    let count = || {
        let times = i128::try_from(times.clone())?.max(0);
        usize::try_from(times).map_err(|_| Error::from(ErrorKind::OutOfFuel))
    };
    if let Some(text) = repeated.as_str() {
        let times = count()?;
        pay(state, text.len().saturating_mul(times), BYTES_PER_FUEL)?;
        return Ok(Value::from(text.repeat(times)));
    }
    if is_list(repeated) {
        let times = count()?;
        let mut once = Vec::new();
        for item in repeated.try_iter()? {
            pay(state, 1, ITEMS_PER_FUEL)?;
            once.push(item);
        }
        pay(state, once.len().saturating_mul(times), ITEMS_PER_FUEL)?;
        return Ok((0..times).flat_map(|_| once.iter().cloned()).collect());
    }
    arithmetic("*", &a, &b, i128::checked_mul, |a, b| a * b)
}

/// An operator on two numbers.
fn arithmetic(
    name: &str,
    a: &Value,
    b: &Value,
    whole: fn(i128, i128) -> Option<i128>,
    broken: fn(f64, f64) -> f64,
) -> Result<Value, Error> {
    let is_number = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    if !is_number(a) || !is_number(b) {
        let problem = format!("{} {name} {} makes no sense", a.kind(), b.kind());
        return Err(Error::new(ErrorKind::InvalidOperation, problem));
    }
    let is_whole = |value: &Value| value.kind() == ValueKind::Bool || value.is_integer();
    if is_whole(a)
        && is_whole(b)
        && let (Ok(a), Ok(b)) = (i128::try_from(a.clone()), i128::try_from(b.clone()))
        && let Some(result) = whole(a, b)
    {
        return Ok(i64::try_from(result).map_or_else(|_| Value::from(result), Value::from));
    }
    Ok(Value::from(broken(f64::try_from(a.clone())?, f64::try_from(b.clone())?)))
}

/// `item in container`.
fn contains(state: &State, item: &Value, container: &Value) -> Result<bool, Error> {
    if container.is_undefined() {
        return Ok(false);
    }
    if let Some(text) = container.as_str() {
        pay(state, text.len(), BYTES_PER_FUEL)?;
        return match item.as_str() {
            Some(part) => Ok(text.contains(part)),
            None => Ok(text.contains(&item.to_string())),
        };
    }
    if container.kind() == ValueKind::Map {
        weigh(state, item, 0)?;
        let object = container.as_object();
        return Ok(object.is_some_and(|object| object.get_value(item).is_some()));
    }
    for other in container.try_iter()? {
        weigh(state, &other, 0)?;
        weigh(state, item, 0)?;
        if other == *item {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// Pays for `n` things, of which one unit of fuel pays for `per_fuel`.
fn pay(state: &State, n: usize, per_fuel: u64) -> Result<(), Error> {
    state.consume_fuel((n as u64).div_ceil(per_fuel))
}

/// Pays for everything that lies in a value, as often as it lies there.
///
/// # Errors
/// If it lies too deep, as it does in a value that holds itself.
pub(super) fn weigh(state: &State, value: &Value, depth: usize) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return pay(state, text.len(), BYTES_PER_FUEL);
    }
    if !is_list(value) && value.kind() != ValueKind::Map {
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::InvalidOperation, "values lie too deep in each other"));
    }
    let is_map = value.kind() == ValueKind::Map;
    for item in value.try_iter()? {
        pay(state, 1, 1)?;
        if is_map {
            weigh(state, &value.get_item(&item)?, depth + 1)?;
        } else {
            weigh(state, &item, depth + 1)?;
        }
    }
    Ok(())
}
