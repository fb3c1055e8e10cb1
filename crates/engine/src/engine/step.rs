//! One step: admit, plan, compute, choose, report.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use mynah_kernels::PAGE;
use mynah_model::forward::{self, Batch, BatchError, Row};

use super::{Choosing, Engine};
use crate::pages::Prefix;
use crate::request::{Event, Finish};
use crate::sequence::Sequence;

impl Engine {
    /// Advances every sequence that there is room for, and tells what came of it.
    ///
    /// # Errors
    /// If the model and the cache do not fit each other, which is a mistake of the program.
    pub fn step(&mut self) -> Result<Vec<Event>, BatchError> {
        self.admit();
        self.plan();
        if !self.rows.is_empty() {
            self.compute()?;
        }
        self.end_finished();
        let mut events = std::mem::take(&mut self.ended);
        for sequence in self.running.iter_mut().chain(&mut self.waiting) {
            if !sequence.new_tokens.is_empty() {
                events.push(sequence.report());
            }
        }
        Ok(events)
    }

    /// Lets waiting sequences in, first come, first served, while their tokens find room.
    fn admit(&mut self) {
        while self.running.len() < self.options.max_sequences
            && let Some(mut sequence) = self.waiting.pop_front()
        {
            let found = sequence.find_prefix(&mut self.pages);
            let needed = (sequence.tokens.len() + 1).div_ceil(PAGE) - sequence.pages.len();
            if needed > self.pages.available() {
                let alone = self.running.is_empty();
                sequence.release(&mut self.pages);
                if alone {
                    sequence.finish = Some(Finish::CacheFull);
                }
                self.waiting.push_front(sequence);
                if alone {
                    self.end_finished();
                    continue;
                }
                return;
            }
            self.counts.prompt_cached += found as u64;
            sequence.age = self.next_age;
            self.next_age += 1;
            self.running.push(sequence);
        }
    }

    /// Decides which rows to compute, and finds pages for them.
    fn plan(&mut self) {
        self.rows.clear();
        let answering = |s: &Sequence| s.n_missing() == 1;
        let n_answering = self.running.iter().filter(|s| answering(s)).count();
        if n_answering <= self.options.max_speculating {
            self.guess();
        }
        let room = if n_answering > 0 { self.options.prompt_rows } else { self.options.max_rows };
        self.share_rows(room);
        // Those that answer first, so that what is left of a full cache goes to them.
        for pass in [true, false] {
            let mut i = 0;
            while i < self.running.len() {
                if answering(&self.running[i]) != pass {
                    i += 1;
                    continue;
                }
                let up_to = self.running[i].computed + self.running[i].n_rows;
                // If it made room for the others itself, what came after it moved up.
                if let Some(place) = self.make_room(i, up_to) {
                    i = place + 1;
                }
            }
        }
        self.lay_out_rows();
    }

    /// Says how many rows each sequence gets: those that answer what they need, and prompts share
    /// `room`. Prompts with the least left come first, so that a short one does not wait for a long
    /// one to be read; but a quarter is the oldest's, so that it goes on whatever comes after it.
    fn share_rows(&mut self, mut room: usize) {
        let mut reading = Vec::new();
        for (i, sequence) in self.running.iter_mut().enumerate() {
            if sequence.n_missing() == 1 {
                sequence.n_rows = 1 + sequence.guesses.len();
                continue;
            }
            self.counts.prompt_cached += sequence.find_prefix(&mut self.pages) as u64;
            sequence.n_rows = 0;
            reading.push(i);
        }
        let oldest = reading.iter().copied().min_by_key(|&i| self.running[i].age);
        reading.sort_unstable_by_key(|&i| (self.running[i].n_missing(), self.running[i].age));
        // A page that several prompts have in common is computed once; the others find it then.
        let mut begun: HashSet<(Prefix, [u32; PAGE])> = HashSet::new();
        let turns = oldest.map(|i| (i, room.div_ceil(4))).into_iter();
        for (i, most) in turns.chain(reading.into_iter().map(|i| (i, usize::MAX))) {
            let sequence = &mut self.running[i];
            let n = (sequence.n_missing() - sequence.n_rows).min(room).min(most);
            let is_first = sequence.n_rows == 0;
            let page = sequence.next_page().filter(|_| is_first && n > 0);
            if page.is_none_or(|page| begun.insert(page)) {
                sequence.n_rows += n;
                room -= n;
            }
        }
    }

    /// Lists the rows of the batch, sequence after sequence.
    fn lay_out_rows(&mut self) {
        for (i, sequence) in self.running.iter_mut().enumerate() {
            let first = sequence.computed;
            let tokens = sequence.tokens[first..].iter().chain(&sequence.guesses);
            let n_tokens = sequence.tokens.len();
            self.rows.extend(tokens.take(sequence.n_rows).enumerate().map(|(k, &token)| Row {
                token,
                position: (first + k) as u32,
                sequence: i as u32,
                wants_logits: first + k + 1 >= n_tokens,
            }));
        }
    }

    /// Asks for guesses at what follows each answering sequence.
    fn guess(&mut self) {
        let Some(speculator) = &mut self.speculator else { return };
        let context = self.model.architecture().context_length.min(self.pages.len() * PAGE);
        for sequence in self.running.iter_mut().filter(|s| s.n_missing() == 1) {
            let left =
                sequence.max_tokens.saturating_sub(sequence.tokens.len() - sequence.n_prompt);
            let most = left.min(context - sequence.tokens.len()).saturating_sub(1);
            let name = sequence.name();
            sequence.guesses = speculator.guess(name, &sequence.tokens, most, &mut self.pool);
            sequence.guesses.truncate(most);
            self.counts.guessed += sequence.guesses.len() as u64;
        }
    }

    /// Finds pages for sequence `i` up to a position. If none are left, the sequence that was
    /// admitted last makes room: its pages are taken and it will be computed again later, to the
    /// same bits. Returns where the sequence is now; `None` if it had to make room itself.
    fn make_room(&mut self, mut i: usize, up_to: usize) -> Option<usize> {
        while self.running[i].pages.len() * PAGE < up_to {
            if let Some(page) = self.pages.take() {
                self.running[i].pages.push(page);
                continue;
            }
            let latest = (0..self.running.len()).max_by_key(|&k| self.running[k].age)?;
            if self.running.len() == 1 {
                self.running[i].n_rows = 0;
                self.running[i].finish = Some(Finish::CacheFull);
                self.end_finished();
                return None;
            }
            let mut sequence = self.running.remove(latest);
            sequence.release(&mut self.pages);
            self.counts.preempted += 1;
            self.waiting.push_front(sequence);
            match latest.cmp(&i) {
                std::cmp::Ordering::Less => i -= 1,
                std::cmp::Ordering::Equal => return None,
                std::cmp::Ordering::Greater => {}
            }
        }
        Some(i)
    }

    /// Computes the rows and chooses the tokens that follow.
    fn compute(&mut self) -> Result<(), BatchError> {
        self.counts.steps += 1;
        let mut born = self.branch_off();
        let Self { model, pool, running, rows, cache, scratch, pages, .. } = self;
        let sequences: Vec<forward::Sequence> = running
            .iter()
            .map(|s| forward::Sequence { pages: &s.pages, adapter: s.adapter.as_deref() })
            .collect();
        let batch = Batch { rows, sequences: &sequences };
        let logits = model.forward(pool, batch, cache, scratch)?;
        let context = model.architecture().context_length.min(pages.len() * PAGE);
        for sequence in running.iter() {
            let read = sequence.n_prompt.min(sequence.computed + sequence.n_rows);
            self.counts.prompt_computed += read.saturating_sub(sequence.computed) as u64;
        }
        let choices = share_logits(running, &mut born, logits, model.architecture().n_vocab);
        let (vocabulary, workspaces) = (&*self.vocabulary, &self.workspaces);
        pool.run(choices.len(), &|i, thread| {
            let mut choice = choices[i].lock().unwrap_or_else(PoisonError::into_inner);
            let mut own = workspaces[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let Choosing { workspace, logits: copy } = &mut *own;
            let Choice { sequence, logits } = &mut *choice;
            let logits = match logits {
                Logits::Own(logits) => &mut **logits,
                Logits::Shared(logits) => {
                    copy.clear();
                    copy.extend_from_slice(logits);
                    &mut copy[..]
                }
            };
            sequence.choose(logits, vocabulary, context, workspace);
        });
        drop(choices);
        self.settle(born);
        Ok(())
    }

    /// Makes the continuations of prompts that this step finishes reading. They share the pages of
    /// the one that read it; those that find no room wait, and will find the prompt in the cache.
    fn branch_off(&mut self) -> Vec<Branch> {
        let mut born = Vec::new();
        let mut late = Vec::new();
        let n_running = self.running.len();
        for (from, sequence) in self.running.iter_mut().enumerate() {
            if sequence.branches.is_empty() || !sequence.reaches_end() {
                continue;
            }
            for sample in std::mem::take(&mut sequence.branches) {
                let branch = sequence.branch(sample);
                if n_running + born.len() < self.options.max_sequences {
                    born.push(Branch { from, sequence: branch });
                } else {
                    late.push(branch);
                }
            }
        }
        for branch in late.into_iter().rev() {
            self.waiting.push_front(branch);
        }
        born
    }

    /// Brings the sequences up to date with what was computed and chosen.
    fn settle(&mut self, born: Vec<Branch>) {
        for sequence in &mut self.running {
            sequence.enter_full_pages(&mut self.pages);
            sequence.n_rows = 0;
        }
        let mut late = Vec::new();
        for Branch { from, mut sequence } in born {
            let from = &self.running[from];
            let n_prompt = sequence.n_prompt;
            let own_last = (!n_prompt.is_multiple_of(PAGE)).then(|| self.pages.take());
            if own_last == Some(None) && sequence.finish.is_none() {
                // It keeps its first token, and computes what it lacks when there is room.
                late.push(sequence);
                continue;
            }
            if let Some(Some(page)) = own_last {
                self.cache.copy_page(from.pages[n_prompt / PAGE], page);
            }
            sequence.share(from, own_last.flatten(), &mut self.pages);
            sequence.age = self.next_age;
            self.next_age += 1;
            self.running.push(sequence);
        }
        for sequence in late.into_iter().rev() {
            self.waiting.push_front(sequence);
        }
        for sequence in self.running.iter().chain(&self.waiting) {
            self.counts.generated += sequence.new_tokens.len() as u64;
            // Every token but the last of a step was guessed.
            self.counts.guessed_right += sequence.new_tokens.len().saturating_sub(1) as u64;
        }
    }
}

/// A continuation that branches off in this step.
struct Branch {
    /// The place of the sequence that read the prompt.
    from: usize,
    sequence: Sequence,
}

/// A sequence whose next token is to be chosen.
struct Choice<'a> {
    sequence: &'a mut Sequence,
    logits: Logits<'a>,
}

enum Logits<'a> {
    Own(&'a mut [f32]),
    /// Those at the end of a prompt, which all its continuations draw from.
    Shared(&'a [f32]),
}

/// Hands the logits of a step, `[rows that want them, n_vocab]`, to the sequences whose end was
/// computed, and counts positions as computed.
fn share_logits<'a>(
    running: &'a mut [Sequence],
    born: &'a mut [Branch],
    logits: &'a mut [f32],
    n_vocab: usize,
) -> Vec<Mutex<Choice<'a>>> {
    let mut choices = Vec::new();
    let (mut rest, mut born) = (logits, born.iter_mut().peekable());
    for (i, sequence) in running.iter_mut().enumerate() {
        let reaches_end = sequence.reaches_end();
        sequence.computed = (sequence.computed + sequence.n_rows).min(sequence.tokens.len());
        if !reaches_end {
            continue;
        }
        let (own, others) = rest.split_at_mut((1 + sequence.guesses.len()) * n_vocab);
        rest = others;
        if born.peek().is_none_or(|branch| branch.from != i) {
            choices.push(Mutex::new(Choice { sequence, logits: Logits::Own(own) }));
            continue;
        }
        let shared: &[f32] = own;
        choices.push(Mutex::new(Choice { sequence, logits: Logits::Shared(shared) }));
        while let Some(branch) = born.next_if(|branch| branch.from == i) {
            let logits = Logits::Shared(shared);
            choices.push(Mutex::new(Choice { sequence: &mut branch.sequence, logits }));
        }
    }
    choices
}
