//! The thread of a model that makes vectors.

use std::thread::JoinHandle;

use mynah_engine::Embedder;
use tokio::sync::{mpsc, oneshot};

use crate::ApiError;
use crate::wire::Prompt;

/// Texts that are to become vectors.
struct Job {
    texts: Vec<Prompt>,
    truncate: bool,
    reply: oneshot::Sender<Result<Embedded, ApiError>>,
}

/// What became of them.
pub(crate) struct Embedded {
    /// One of length 1 for each text.
    pub(crate) vectors: Vec<Vec<f32>>,
    /// How many tokens there were.
    pub(crate) n_tokens: usize,
}

/// A handle on the thread. Dropping it ends the thread and waits for that.
pub(crate) struct EmbedWorker {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbedWorker {
    /// Starts a thread; at most `most` requests wait for it.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub(crate) fn start(name: &str, mut embedder: Embedder, most: usize) -> std::io::Result<Self> {
        let (sender, mut jobs) = mpsc::channel::<Job>(most);
        let work = move || {
            while let Some(job) = jobs.blocking_recv() {
                if job.reply.is_closed() {
                    continue;
                }
                let embedded = embed(&mut embedder, &job);
                // Who asked may be gone.
                let _ = job.reply.send(embedded);
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self { jobs: Some(sender), thread: Some(thread) })
    }

    /// Makes vectors of texts.
    ///
    /// # Errors
    /// If too many wait already, or a text is not one that the model reads.
    pub(crate) async fn embed(
        &self,
        texts: Vec<Prompt>,
        truncate: bool,
    ) -> Result<Embedded, ApiError> {
        let (reply, answer) = oneshot::channel();
        let ended = || ApiError::internal("the model's thread has ended");
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.try_send(Job { texts, truncate, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ApiError::busy(jobs.max_capacity()),
            mpsc::error::TrySendError::Closed(_) => ended(),
        })?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for EmbedWorker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn embed(embedder: &mut Embedder, job: &Job) -> Result<Embedded, ApiError> {
    let place =
        |i: usize| if job.texts.len() == 1 { "input".to_owned() } else { format!("input[{i}]") };
    let tokens = job.texts.iter().enumerate().map(|(i, text)| match text {
        Prompt::Tokens(tokens) => Ok(tokens.clone()),
        Prompt::Text(text) => embedder.tokens(text, job.truncate).map_err(|error| {
            let message = format!("{error}; `\"truncate\": true` takes the beginning");
            ApiError::invalid(place(i), message).called("context_length_exceeded")
        }),
    });
    let tokens: Vec<Vec<u32>> = tokens.collect::<Result<_, _>>()?;
    let n_tokens = tokens.iter().map(Vec::len).sum();
    let vectors = embedder
        .embed(&tokens, &mut || !job.reply.is_closed())
        .map_err(|error| ApiError::invalid("input", error.to_string()))?;
    Ok(Embedded { vectors, n_tokens })
}
