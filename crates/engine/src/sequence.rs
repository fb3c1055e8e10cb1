//! One continuation while it is in flight.

use std::sync::Arc;

use mynah_kernels::PAGE;
use mynah_model::forward::Adapter;

use crate::constraint::{Constraint, Vocabulary};
use crate::pages::{Pages, Prefix};
use crate::request::{Event, Finish, RequestId, Token};
use crate::sampling::{Draw, Sampled, Sampler, SamplingError, StopMatcher, Workspace};

/// One continuation: its tokens, its pages, and how its next token is chosen.
#[derive(Clone)]
pub(crate) struct Sequence {
    pub(crate) request: RequestId,
    pub(crate) sample: usize,
    /// The continuations that are to branch off where the prompt ends.
    pub(crate) branches: Vec<usize>,
    /// When it was admitted: the latest makes room for the others.
    pub(crate) age: u64,
    /// The prompt and what was chosen so far.
    pub(crate) tokens: Vec<u32>,
    pub(crate) n_prompt: usize,
    pub(crate) max_tokens: usize,
    pub(crate) ignore_end: bool,
    pub(crate) adapter: Option<Arc<Adapter>>,
    /// Tells sequences whose pages may not be shared apart.
    pub(crate) kind: u32,
    /// How many positions are in the cache.
    pub(crate) computed: usize,
    /// How many positions of the prompt were there before it came.
    prompt_cached: usize,
    pub(crate) pages: Vec<u32>,
    /// The name of the contents of the pages entered so far, and how many those are.
    prefix: Prefix,
    entered: usize,
    /// Guesses at the tokens that follow, computed in the same step.
    pub(crate) guesses: Vec<u32>,
    /// How many rows of the step's batch are its own.
    pub(crate) n_rows: usize,
    pub(crate) sampler: Sampler,
    pub(crate) stop: StopMatcher,
    pub(crate) constraint: Option<Constraint>,
    /// What this step brought.
    pub(crate) new_tokens: Vec<Token>,
    pub(crate) new_text: Vec<u8>,
    pub(crate) finish: Option<Finish>,
}

/// What a new sequence is made from.
pub(crate) struct Start {
    pub(crate) request: RequestId,
    pub(crate) branches: Vec<usize>,
    pub(crate) prompt: Vec<u32>,
    pub(crate) max_tokens: usize,
    pub(crate) ignore_end: bool,
    pub(crate) adapter: Option<Arc<Adapter>>,
    pub(crate) kind: u32,
    pub(crate) sampler: Sampler,
    pub(crate) stop: StopMatcher,
    pub(crate) constraint: Option<Constraint>,
}

impl Sequence {
    pub(crate) fn new(start: Start) -> Self {
        Self {
            request: start.request,
            sample: 0,
            branches: start.branches,
            age: 0,
            n_prompt: start.prompt.len(),
            tokens: start.prompt,
            max_tokens: start.max_tokens,
            ignore_end: start.ignore_end,
            adapter: start.adapter,
            kind: start.kind,
            computed: 0,
            prompt_cached: 0,
            pages: Vec::new(),
            prefix: Pages::root(start.kind),
            entered: 0,
            guesses: Vec::new(),
            n_rows: 0,
            sampler: start.sampler,
            stop: start.stop,
            constraint: start.constraint,
            new_tokens: Vec::new(),
            new_text: Vec::new(),
            finish: None,
        }
    }

    /// What names it.
    pub(crate) fn name(&self) -> (RequestId, usize) {
        (self.request, self.sample)
    }

    /// What this step brought; asked once.
    pub(crate) fn report(&mut self) -> Event {
        Event {
            request: self.request,
            sample: self.sample,
            tokens: std::mem::take(&mut self.new_tokens),
            text: std::mem::take(&mut self.new_text),
            prompt_cached: self.prompt_cached,
            finish: self.finish.clone(),
        }
    }

    /// Goes on as another continuation of the same prompt, of which nothing was chosen yet.
    pub(crate) fn become_sample(&mut self, sample: usize) {
        self.sample = sample;
        self.sampler = self.sampler.for_sample(sample as u64);
    }

    /// How many of its tokens are not in the cache.
    pub(crate) fn n_missing(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Whether this step computes its last token, so that the next one can be chosen.
    pub(crate) fn reaches_end(&self) -> bool {
        self.n_rows > 0 && self.computed + self.n_rows >= self.tokens.len()
    }

    /// The page that it would compute next, if all before it are in the index and the page does not
    /// hold its last token, from whose logits the next is chosen.
    pub(crate) fn next_page(&self) -> Option<(Prefix, [u32; PAGE])> {
        let next = self.entered * PAGE;
        let tokens = self.tokens[..self.tokens.len() - 1].get(next..next + PAGE)?;
        let tokens = tokens.try_into().ok()?;
        (self.computed == next).then_some((self.prefix, tokens))
    }

    /// Takes what other sequences have computed of the same beginning; returns how many positions.
    pub(crate) fn find_prefix(&mut self, pages: &mut Pages) -> usize {
        let before = self.computed;
        while let Some((prefix, tokens)) = self.next_page()
            && let Some((page, prefix)) = pages.find(prefix, tokens)
        {
            // A page that it took to compute these positions itself.
            pages.release(&self.pages.split_off(self.entered));
            self.pages.push(page);
            self.prefix = prefix;
            self.entered += 1;
            self.computed += PAGE;
        }
        if self.tokens.len() == self.n_prompt {
            self.prompt_cached += self.computed - before;
        }
        self.computed - before
    }

    /// Enters the pages that have become full into the index.
    pub(crate) fn enter_full_pages(&mut self, pages: &mut Pages) {
        let (full, _) = self.tokens[..self.computed].as_chunks::<PAGE>();
        for tokens in &full[self.entered..] {
            self.prefix = pages.enter(self.pages[self.entered], self.prefix, *tokens);
            self.entered += 1;
        }
    }

    /// Gives up its pages; it can be computed again from its tokens, to the same bits.
    pub(crate) fn release(&mut self, pages: &mut Pages) {
        pages.release(&self.pages);
        self.pages.clear();
        if self.tokens.len() == self.n_prompt {
            self.prompt_cached = 0;
        }
        self.computed = 0;
        self.entered = 0;
        self.prefix = Pages::root(self.kind);
        self.guesses.clear();
        self.n_rows = 0;
    }

    /// The same sequence for another answer, without pages or rows of its own.
    pub(crate) fn branch(&self, sample: usize) -> Self {
        Self {
            sample,
            branches: Vec::new(),
            pages: Vec::new(),
            computed: 0,
            entered: 0,
            prefix: Pages::root(self.kind),
            sampler: self.sampler.for_sample(sample as u64),
            constraint: self.constraint.as_ref().map(Constraint::restarted),
            ..self.clone()
        }
    }

    /// Lets a branch share the pages of the sequence it came from; the last, if it is not full,
    /// is `own_last`, a copy.
    pub(crate) fn share(&mut self, from: &Self, own_last: Option<u32>, pages: &mut Pages) {
        let n_full = from.computed / PAGE;
        self.pages = from.pages[..n_full].to_vec();
        self.pages.iter().for_each(|&page| pages.hold(page));
        self.pages.extend(own_last);
        (self.computed, self.entered, self.prefix) = (from.computed, from.entered, from.prefix);
    }

    /// Chooses tokens from the logits of its last rows: one, and one more for each guess that
    /// turns out right. Which tokens come out does not depend on the guesses.
    ///
    /// `logits`: `[1 + guesses, n_vocab]`.
    pub(crate) fn choose(
        &mut self,
        logits: &mut [f32],
        vocabulary: &dyn Vocabulary,
        context: usize,
        workspace: &mut Workspace,
    ) {
        let guesses = std::mem::take(&mut self.guesses);
        let n_vocab = logits.len() / (guesses.len() + 1);
        for (i, logits) in logits.chunks_exact_mut(n_vocab).enumerate() {
            let token = match self.draw(logits, workspace) {
                Ok(sampled) => sampled,
                Err(finish) => {
                    self.finish = Some(finish);
                    break;
                }
            };
            let id = token.token;
            self.accept(token, vocabulary, context);
            if self.finish.is_some() || guesses.get(i) != Some(&id) {
                break;
            }
            // The guess was right, so its row was computed for the right token.
            self.computed += 1;
        }
        if self.finish.is_some() {
            self.stop.finish(&mut self.new_text);
        }
    }

    fn draw(&mut self, logits: &mut [f32], workspace: &mut Workspace) -> Result<Sampled, Finish> {
        let failed = |error: &dyn std::fmt::Display| Finish::Failed(error.to_string());
        let mask = match &mut self.constraint {
            Some(constraint) => {
                if constraint.is_done() {
                    return Err(Finish::Stop);
                }
                Some(constraint.mask().map_err(|error| failed(&error))?)
            }
            None => None,
        };
        let position = self.tokens.len() as u64;
        let history = &self.tokens;
        self.sampler
            .sample(workspace, Draw { logits, position, history, mask })
            .map_err(|error: SamplingError| failed(&error))
    }

    fn accept(&mut self, sampled: Sampled, vocabulary: &dyn Vocabulary, context: usize) {
        let id = sampled.token;
        self.tokens.push(id);
        self.new_tokens.push(Token { id, logprob: sampled.logprob, top: sampled.top });
        let ends = vocabulary.is_end_of_generation(id) && !self.ignore_end;
        if let Some(constraint) = &mut self.constraint
            && let Err(error) = constraint.advance(id)
        {
            self.finish = Some(Finish::Failed(error.to_string()));
            return;
        }
        if ends {
            self.finish = Some(Finish::Stop);
            return;
        }
        if !vocabulary.is_control(id)
            && let Some(stop) = self.stop.push(vocabulary.token_bytes(id), &mut self.new_text)
        {
            self.finish = Some(Finish::StopString(stop.index));
        } else if self.constraint.as_ref().is_some_and(Constraint::is_done) {
            self.finish = Some(Finish::Stop);
        } else if self.tokens.len() - self.n_prompt >= self.max_tokens {
            self.finish = Some(Finish::Length);
        } else if self.tokens.len() >= context {
            self.finish = Some(Finish::Context);
        }
    }
}
