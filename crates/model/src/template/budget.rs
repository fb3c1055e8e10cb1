//! Holds a template to what its rendering may cost.
//!
//! The engine counts steps, text and the items that it visits. It does not count three things, with
//! each of which a few lines take all memory or all time: lists that are added or repeated, which
//! it joins when they are looked at, as are slices; lists in lists, where thirty doublings make a
//! thousand million items to write or to compare; and values so deep in each other that writing or
//! leaving them overflows the stack.
//!
//! So operators are replaced by the functions here, which pay first, and every value that a template
//! makes is [weighed](weighed) as soon as it is made: it must not be deep, and writing it must be
//! payable with the fuel that is left. What a template can print, it can therefore print; a
//! namespace, the one thing that changes after it was made, is in [`namespace`](super::namespace).
//! [`rewrite`](super::rewrite) puts the calls in place.

use minijinja::filters;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::namespace::{self, Namespace};

/// How deep values may lie in each other.
const MAX_DEPTH: usize = 128;

/// Items of a list that one unit of fuel pays for.
const ITEMS_PER_FUEL: u64 = 2;

/// Bytes of text that one unit of fuel pays for.
const BYTES_PER_FUEL: u64 = 64;

/// Digits that the width of a field may have.
const MAX_DIGITS: usize = 3;

/// Items that are weighed for one unit of fuel.
const WEIGHED_PER_FUEL: u64 = 8;

/// A filter that changes nothing.
pub(super) const SAME: &str = "unfolded";

/// The function that looks at a value that was made. Its name, like those of all functions here, is
/// no name in Jinja, so that no template can call it or put another in its place.
pub(super) const WEIGHED: &str = "weighed value";

/// The function that looks at what an item is asked for by.
pub(super) const KEY: &str = "[";

type Compare = fn(&Value, &Value) -> bool;

/// The operators that compare, and their names as tests.
const COMPARISONS: [(&str, [&str; 2], Compare); 6] = [
    ("==", ["eq", "equalto"], |a, b| a == b),
    ("!=", ["ne", "ne"], |a, b| a != b),
    ("<", ["lt", "lessthan"], |a, b| a < b),
    ("<=", ["le", "le"], |a, b| a <= b),
    (">", ["gt", "greaterthan"], |a, b| a > b),
    (">=", ["ge", "ge"], |a, b| a >= b),
];

type Filter = fn(&State, Value, Kwargs) -> Result<Value, Error>;

/// The filters that compare items with each other.
const COMPARING_FILTERS: [(&str, Filter); 4] = [
    ("sort", filters::sort),
    ("unique", filters::unique),
    ("min", filters::min),
    ("max", filters::max),
];

/// Adds what operators are replaced by, and takes away what cannot be metered.
pub(super) fn add_operators(environment: &mut Environment<'_>) {
    environment.add_filter(SAME, |value: Value| value);
    environment.add_function(WEIGHED, weighed);
    environment.add_function(KEY, |state: &State, key: Value| weigh(state, &key, 0).map(|()| key));
    environment.add_filter("attr", |state: &State, value: &Value, key: &Value| {
        weigh(state, key, 0)?;
        filters::attr(value, key)
    });
    environment.add_function("namespace", namespace::namespace);
    environment.add_function(namespace::ASSIGN, namespace::assign);
    environment.add_function("+", add);
    environment.add_function("*", multiply);
    environment.add_function("[:]", slice);
    environment.add_function("in ", |state: &State, item: Value, container: Value| {
        contains(state, &item, &container)
    });
    environment.add_test("in", |state: &State, item: Value, container: Value| {
        contains(state, &item, &container)
    });
    for (name, tests, compare) in COMPARISONS {
        let metered = move |state: &State, a: Value, b: Value| {
            weigh(state, &a, 0)?;
            weigh(state, &b, 0)?;
            Ok::<_, Error>(compare(&a, &b))
        };
        environment.add_function(name, metered);
        for name in tests.into_iter().chain([name]) {
            environment.add_test(name, metered);
        }
    }
    for (name, filter) in COMPARING_FILTERS {
        environment.add_filter(name, move |state: &State, list: Value, arguments: Kwargs| {
            weigh(state, &list, 0)?;
            filter(state, list, arguments)
        });
    }
    // Jinja has neither of the first two, which join lists without counting them; the time of the
    // last grows with the cube of how deep lists lie in each other.
    for name in ["chain", "zip", "pprint"] {
        environment.remove_filter(name);
    }
}

/// `a + b`.
fn add(state: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    if let (Some(first), Some(second)) = (a.as_str(), b.as_str()) {
        pay(state, first.len() + second.len(), BYTES_PER_FUEL)?;
        return Ok(Value::from([first, second].concat()));
    }
    if is_list(a) && is_list(b) {
        let mut items = Vec::new();
        for item in a.try_iter()?.chain(b.try_iter()?) {
            pay(state, 1, ITEMS_PER_FUEL)?;
            items.push(item);
        }
        return Ok(Value::from(items));
    }
    arithmetic("+", a, b, i128::checked_add, |a, b| a + b)
}

/// `a * b`.
fn multiply(state: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    let (repeated, times) = if a.as_str().is_some() || is_list(a) { (a, b) } else { (b, a) };
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
    arithmetic("*", a, b, i128::checked_mul, |a, b| a * b)
}

/// `list[start:stop:step]`, as Python has it. The engine's own keeps the list and counts through it
/// whenever it is looked at, so that slices of slices take ever longer.
fn slice(
    state: &State,
    value: &Value,
    start: Value,
    stop: Value,
    step: Value,
) -> Result<Value, Error> {
    let whole = |value: Value| {
        let is_given = !value.is_none() && !value.is_undefined();
        is_given.then(|| i64::try_from(value)).transpose()
    };
    let step = whole(step)?.unwrap_or(1);
    if step == 0 {
        return Err(Error::new(ErrorKind::InvalidOperation, "a slice cannot have steps of 0"));
    }
    let (start, stop) = (whole(start)?, whole(stop)?);
    if let Some(text) = value.as_str() {
        pay(state, text.len(), BYTES_PER_FUEL)?;
        let chars: Vec<char> = text.chars().collect();
        let places = places(chars.len(), start, stop, step);
        return Ok(Value::from(places.map(|i| chars[i]).collect::<String>()));
    }
    let mut items = Vec::new();
    if !value.is_none() && !value.is_undefined() {
        for item in value.try_iter()? {
            pay(state, 1, ITEMS_PER_FUEL)?;
            items.push(item);
        }
    }
    Ok(places(items.len(), start, stop, step).map(|i| items[i].clone()).collect())
}

/// The places of a slice among `n` items.
fn places(
    n: usize,
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
) -> impl Iterator<Item = usize> {
    let n = n as i64;
    // Going back, the place before the first is where it ends.
    let (least, most) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let place = |i: i64| (if i < 0 { i.saturating_add(n) } else { i }).clamp(least, most);
    let (first, end) = if step > 0 { (least, most) } else { (most, least) };
    let (first, end) = (start.map_or(first, place), stop.map_or(end, place));
    let inside = move |&i: &i64| if step > 0 { i < end } else { i > end };
    std::iter::successors(Some(first), move |i| i.checked_add(step))
        .take_while(inside)
        .map(|i| i as usize)
}

/// Pays for `text.format(…)`, whose fields may be wider than what is written there says.
pub(super) fn pay_for_format(state: &State, text: &str) -> Result<(), Error> {
    let mut parts = text.split(':');
    let before = parts.next().unwrap_or_default();
    pay(state, before.len(), BYTES_PER_FUEL)?;
    for part in parts {
        let width = part.split('}').next().unwrap_or_default();
        let digits = width.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
        if digits > Some(MAX_DIGITS) || width.contains('{') {
            let problem = "`format` takes widths of up to three digits that stand in the text";
            return Err(Error::new(ErrorKind::InvalidOperation, problem));
        }
        // Width and precision.
        pay(state, part.len() + 2000, BYTES_PER_FUEL)?;
    }
    Ok(())
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
/// If it lies too deep.
pub(super) fn weigh(state: &State, value: &Value, depth: usize) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return pay(state, text.len(), BYTES_PER_FUEL);
    }
    for_each_inside(value, depth, &mut |item| {
        pay(state, 1, 1)?;
        weigh(state, item, depth + 1)
    })
}

/// Returns a value that a template has just made, if it can be written with the fuel that is left.
///
/// The fuel is not taken: who writes the value pays for it. Looking at it costs little.
///
/// # Errors
/// If it cannot, if things lie too deep in it, or if it holds a namespace, which could later come to
/// hold the value, or has a list for a key.
fn weighed(state: &State, value: Value) -> Result<Value, Error> {
    if is_container(&value) && value.downcast_object_ref::<Namespace>().is_none() {
        let left = state.fuel_levels().map_or(u64::MAX, |(_, left)| left);
        let mut weight = Weight { left, unpaid_items: 0 };
        weight.add_all(state, &value, 0)?;
        pay(state, weight.unpaid_items as usize, WEIGHED_PER_FUEL)?;
    }
    Ok(value)
}

/// What may be written besides what was looked at already.
struct Weight {
    left: u64,
    unpaid_items: u64,
}

impl Weight {
    fn add_all(&mut self, state: &State, value: &Value, depth: usize) -> Result<(), Error> {
        for_each_inside(value, depth, &mut |item| {
            let bytes = item.as_str().map_or(0, str::len) as u64;
            let weight = 1 + bytes.div_ceil(BYTES_PER_FUEL);
            let left = self.left.checked_sub(weight);
            self.left = left.ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
            self.unpaid_items += 1;
            if self.unpaid_items == WEIGHED_PER_FUEL {
                self.unpaid_items = 0;
                state.consume_fuel(1)?;
            }
            if item.downcast_object_ref::<Namespace>().is_some() {
                return Err(namespace::held());
            }
            self.add_all(state, item, depth + 1)
        })
    }
}

/// Shows what lies in a list, and the keys and values of a mapping.
///
/// # Errors
/// If this is too deep, or a key is more than a word or a number.
fn for_each_inside(
    value: &Value,
    depth: usize,
    show: &mut dyn FnMut(&Value) -> Result<(), Error>,
) -> Result<(), Error> {
    if !is_container(value) {
        return Ok(());
    }
    let wrong = |problem| Err(Error::new(ErrorKind::InvalidOperation, problem));
    if depth > MAX_DEPTH {
        return wrong("values lie too deep in each other");
    }
    let is_map = value.kind() == ValueKind::Map;
    for item in value.try_iter()? {
        if is_map && is_container(&item) {
            return wrong("a list or a mapping cannot be a key");
        }
        show(&item)?;
        if is_map {
            show(&value.get_item(&item)?)?;
        }
    }
    Ok(())
}

fn is_container(value: &Value) -> bool {
    is_list(value) || value.kind() == ValueKind::Map
}
