//! What `namespace()` makes: the one value of a template that changes after it was made.
//!
//! All other values hold only what was there before them. Through a namespace a value could come to
//! hold itself, or grow ever deeper from below; writing, comparing or leaving it would then overflow
//! the stack. So no namespace lies in another value: variables hold them, and nothing else. The
//! engine's own lies anywhere.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Kwargs, Object, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// The function that stands for `{% set namespace.name = value %}`.
pub(super) const ASSIGN: &str = ".=";

#[derive(Debug, Default)]
pub(super) struct Namespace(Mutex<BTreeMap<String, Value>>);

impl Namespace {
    /// What it holds. A panic elsewhere leaves whole values behind.
    fn values(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, name: &str, value: Value) -> Result<(), Error> {
        if value.downcast_object_ref::<Self>().is_some() {
            return Err(held());
        }
        self.values().insert(name.to_owned(), value);
        Ok(())
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.values().get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values().keys().map(|name| Value::from(name.as_str())).collect())
    }

    /// Writes a name: each value of many may be as long as a text may be at all.
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<Namespace>")
    }
}

/// `namespace(name=value)` or `namespace({'name': value})`.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes named arguments by value")]
pub(super) fn namespace(pairs: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let namespace = Namespace::default();
    if let Some(pairs) = pairs {
        if pairs.kind() != ValueKind::Map {
            let problem = format!("a namespace is made of a mapping, not of a {}", pairs.kind());
            return Err(Error::new(ErrorKind::InvalidOperation, problem));
        }
        for name in pairs.try_iter()? {
            if let Some(text) = name.as_str() {
                namespace.set(text, pairs.get_item(&name)?)?;
            }
        }
    }
    for name in named.args() {
        namespace.set(name, named.get(name)?)?;
    }
    Ok(Value::from_object(namespace))
}

/// `{% set namespace.name = value %}`.
pub(super) fn assign(value: Value, namespace: &Value, name: &str) -> Result<(), Error> {
    match namespace.downcast_object_ref::<Namespace>() {
        Some(namespace) => namespace.set(name, value),
        None => {
            let problem = format!("can only assign to namespaces, not {}", namespace.kind());
            Err(Error::new(ErrorKind::InvalidOperation, problem))
        }
    }
}

/// What is said of a namespace in another value.
pub(super) fn held() -> Error {
    let problem = "a namespace cannot lie in a list, a mapping or a namespace";
    Error::new(ErrorKind::InvalidOperation, problem)
}
