//! Ctrl-C: ends the program, unless a command asked to be told instead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Who is told, while somebody wants to be.
static LISTENER: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);

/// Takes Ctrl-C (and termination) over from the system. Called once, by `main`.
pub(crate) fn install() {
    let handler = || {
        let listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
        match &*listener {
            // A second Ctrl-C before the first was heard ends the program all the same.
            Some(flag) if !flag.swap(true, Ordering::Relaxed) => {}
            _ => {
                crate::terminal::leave_line();
                std::process::exit(130);
            }
        }
    };
    // Without a handler the system's own behaviour stays: the program ends.
    let _ = ctrlc::set_handler(handler);
}

/// While this lives, Ctrl-C sets a flag instead of ending the program.
pub(crate) struct Listening(Arc<AtomicBool>);

impl Listening {
    /// Begins to listen.
    pub(crate) fn begin() -> Self {
        let flag = Arc::new(AtomicBool::new(false));
        *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = Some(flag.clone());
        Self(flag)
    }

    /// The flag itself, for those who look at it on their own.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether Ctrl-C was pressed since the last call.
    pub(crate) fn was_pressed(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_told_once() {
        let listening = Listening::begin();
        assert!(!listening.was_pressed());
        LISTENER.lock().unwrap().as_ref().unwrap().store(true, Ordering::Relaxed);
        assert!(listening.was_pressed());
        assert!(!listening.was_pressed());
        drop(listening);
        assert!(LISTENER.lock().unwrap().is_none());
    }
}
