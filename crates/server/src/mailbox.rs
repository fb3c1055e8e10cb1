//! The way of an answer from the thread that computes it to the connection that sends it.
//!
//! Whoever computes never waits: what its reader has not taken is put together, so that a slow
//! reader finds one long piece. A reader that leaves more than a bound is not sent any more, and a
//! reader that goes away is noticed before the next step.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mynah_engine::{Finish, Token};
use tokio::sync::Notify;

use crate::ApiError;

/// What there is to know of answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Update {
    /// The engine took a request.
    Begun,
    /// An answer went on.
    Grown(Growth),
    /// An answer is whole.
    Ended {
        /// Which.
        sample: usize,
        /// Why.
        finish: Finish,
    },
    /// A request will not be answered.
    Refused(ApiError),
}

/// By how much an answer went on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Growth {
    /// Which answer.
    pub(crate) sample: usize,
    /// The characters that are new.
    pub(crate) text: String,
    /// How many tokens are.
    pub(crate) n_tokens: usize,
    /// Those tokens, if somebody wants to know their probabilities.
    pub(crate) tokens: Vec<Token>,
    /// How many positions of the prompt were in the cache.
    pub(crate) prompt_cached: usize,
}

impl Growth {
    /// How much memory it takes, about.
    fn bytes(&self) -> usize {
        let of_token = |token: &Token| size_of::<Token>() + size_of_val(&token.top[..]);
        self.text.len() + self.tokens.iter().map(of_token).sum::<usize>()
    }
}

#[derive(Default)]
struct Contents {
    updates: Vec<Update>,
    bytes: usize,
    is_full: bool,
    /// Nothing more will come.
    is_closed: bool,
}

struct Mailbox {
    contents: Mutex<Contents>,
    filled: Notify,
    is_abandoned: AtomicBool,
    limit: usize,
}

impl Mailbox {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new mailbox that holds so many bytes.
pub(crate) fn mailbox(limit: usize) -> (Post, Answers) {
    let contents = Mutex::default();
    let (filled, is_abandoned) = (Notify::new(), AtomicBool::new(false));
    let mailbox = Arc::new(Mailbox { contents, filled, is_abandoned, limit });
    let closer = Arc::new(Closer(Arc::clone(&mailbox)));
    (Post { closer, first: 0 }, Answers(mailbox))
}

/// Closes the mailbox when the last who could fill it is gone.
struct Closer(Arc<Mailbox>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.contents().is_closed = true;
        self.0.filled.notify_one();
    }
}

/// The end of those who compute.
pub(crate) struct Post {
    closer: Arc<Closer>,
    /// The number of the first of its answers among all of the mailbox.
    first: usize,
}

impl Post {
    /// One for another prompt of the same request, whose answers are counted from `first`.
    pub(crate) fn from(&self, first: usize) -> Self {
        Self { closer: Arc::clone(&self.closer), first }
    }

    /// Puts something in.
    pub(crate) fn send(&self, mut update: Update) {
        let mailbox = &self.closer.0;
        let mut contents = mailbox.contents();
        match &mut update {
            Update::Grown(growth) => {
                growth.sample += self.first;
                contents.bytes += growth.bytes();
                contents.is_full |= contents.bytes > mailbox.limit;
                if contents.is_full {
                    return;
                }
            }
            Update::Ended { sample, .. } => *sample += self.first,
            Update::Begun | Update::Refused(_) => {}
        }
        match (contents.updates.last_mut(), update) {
            (Some(Update::Grown(last)), Update::Grown(new)) if last.sample == new.sample => {
                last.text.push_str(&new.text);
                last.n_tokens += new.n_tokens;
                last.tokens.extend(new.tokens);
                last.prompt_cached = last.prompt_cached.max(new.prompt_cached);
            }
            (_, update) => contents.updates.push(update),
        }
        drop(contents);
        mailbox.filled.notify_one();
    }

    /// Whether nobody reads any more, or not fast enough.
    pub(crate) fn is_in_vain(&self) -> bool {
        let mailbox = &self.closer.0;
        mailbox.is_abandoned.load(Ordering::Acquire) || mailbox.contents().is_full
    }
}

/// The reader's end.
pub(crate) struct Answers(Arc<Mailbox>);

impl Answers {
    /// Waits for something, and takes all there is; nothing if nothing more will come.
    pub(crate) async fn take(&mut self) -> Vec<Update> {
        loop {
            {
                let mut contents = self.0.contents();
                if !contents.updates.is_empty() {
                    contents.bytes = 0;
                    return std::mem::take(&mut contents.updates);
                }
                if contents.is_closed {
                    return Vec::new();
                }
            }
            // One that was told before it began to wait does not wait.
            self.0.filled.notified().await;
        }
    }

    /// Whether something was lost because it was not taken in time.
    pub(crate) fn is_overfull(&self) -> bool {
        self.0.contents().is_full
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(sample: usize, text: &str) -> Update {
        Update::Grown(Growth { sample, text: text.into(), n_tokens: 1, ..Growth::default() })
    }

    fn taken(answers: &mut Answers) -> Vec<Update> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(answers.take())
    }

    #[test]
    fn what_was_not_taken_is_put_together() {
        let (post, mut answers) = mailbox(100);
        let other = post.from(1);
        for update in [Update::Begun, grown(0, "a"), grown(0, "b")] {
            post.send(update);
        }
        other.send(grown(0, "c"));
        post.send(Update::Ended { sample: 0, finish: Finish::Stop });
        let Update::Grown(ab) = &taken(&mut answers)[1] else { panic!("it grew") };
        assert_eq!((ab.text.as_str(), ab.n_tokens), ("ab", 2));
        drop((post, other));
        assert_eq!(taken(&mut answers), []);
    }

    #[test]
    fn who_does_not_read_is_not_sent_more() {
        let (post, mut answers) = mailbox(10);
        for _ in 0..1000 {
            post.send(grown(0, "abc"));
        }
        assert!(post.is_in_vain() && answers.is_overfull());
        let Update::Grown(growth) = &taken(&mut answers)[0] else { panic!("it grew") };
        assert_eq!(growth.text, "abcabcabc");
    }

    #[test]
    fn who_goes_away_is_noticed() {
        let (post, answers) = mailbox(10);
        assert!(!post.is_in_vain());
        drop(answers);
        assert!(post.is_in_vain());
    }
}
