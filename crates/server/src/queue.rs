//! Who waits for a model, and whose turn it is.
//!
//! Each who asks has a lane. Turns go round the lanes, and within one to who came first: a client
//! that sends a hundred requests at once makes others wait for one of them, not for all.

use std::collections::VecDeque;
use std::time::Instant;

/// Requests that wait.
pub(crate) struct Queue<T> {
    /// In the order of their next turns; none is empty.
    lanes: VecDeque<Lane<T>>,
    len: usize,
}

struct Lane<T> {
    who: String,
    waiting: VecDeque<Waiting<T>>,
}

struct Waiting<T> {
    until: Instant,
    item: T,
}

impl<T> Queue<T> {
    /// Nobody waits.
    pub(crate) fn new() -> Self {
        Self { lanes: VecDeque::new(), len: 0 }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Lets something wait until a time at most.
    pub(crate) fn push(&mut self, who: &str, until: Instant, item: T) {
        self.len += 1;
        let waiting = Waiting { until, item };
        match self.lanes.iter_mut().find(|lane| lane.who == who) {
            Some(lane) => lane.waiting.push_back(waiting),
            None => {
                let who = who.to_owned();
                self.lanes.push_back(Lane { who, waiting: VecDeque::from([waiting]) });
            }
        }
    }

    /// Whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let mut lane = self.lanes.pop_front()?;
        let first = lane.waiting.pop_front()?;
        self.len -= 1;
        if !lane.waiting.is_empty() {
            self.lanes.push_back(lane);
        }
        Some(first.item)
    }

    /// Takes out who has waited too long, and whom nobody waits for.
    pub(crate) fn take_out(
        &mut self,
        now: Instant,
        mut is_in_vain: impl FnMut(&T) -> bool,
    ) -> Vec<T> {
        let mut out = Vec::new();
        for lane in &mut self.lanes {
            let waiting = std::mem::take(&mut lane.waiting);
            for one in waiting {
                if one.until <= now || is_in_vain(&one.item) {
                    out.push(one.item);
                } else {
                    lane.waiting.push_back(one);
                }
            }
        }
        self.lanes.retain(|lane| !lane.waiting.is_empty());
        self.len -= out.len();
        out
    }

    /// Takes everybody out.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.pop()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// What is done to a queue.
    #[derive(Clone, Debug)]
    enum Act {
        Push { who: u8, wait_s: u64 },
        Pop,
        TakeOut { after_s: u64, in_vain: u8 },
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            3 => (0..5u8, 1..20u64).prop_map(|(who, wait_s)| Act::Push { who, wait_s }),
            2 => Just(Act::Pop),
            1 => (0..5u64, 0..40u8).prop_map(|(after_s, in_vain)| Act::TakeOut { after_s, in_vain }),
        ];
        prop::collection::vec(act, 0..200)
    }

    /// An item: who waits, its number, until when.
    type Item = (u8, usize, Instant);

    proptest! {
        #[test]
        fn nobody_is_lost_overtaken_or_kept_too_long(acts in acts()) {
            let mut queue: Queue<Item> = Queue::new();
            let mut model: Vec<Item> = Vec::new();
            // How often others had a turn since somebody who waits had one.
            let mut passed_over = [0usize; 5];
            let mut now = Instant::now();
            for (number, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Push { who, wait_s } => {
                        let until = now + Duration::from_secs(wait_s);
                        queue.push(&who.to_string(), until, (who, number, until));
                        model.push((who, number, until));
                    }
                    Act::Pop => {
                        let popped = queue.pop();
                        prop_assert_eq!(popped.is_none(), model.is_empty());
                        let Some(item) = popped else { continue };
                        // First come, first served, within a lane.
                        let first = model.iter().position(|waiting| waiting.0 == item.0);
                        prop_assert_eq!(model.remove(first.unwrap()), item);
                        for who in 0..5u8 {
                            let waits = model.iter().any(|waiting| waiting.0 == who);
                            let passed = &mut passed_over[usize::from(who)];
                            *passed = if waits && who != item.0 { *passed + 1 } else { 0 };
                            prop_assert!(*passed <= 4, "{} waits for more than a round", who);
                        }
                    }
                    Act::TakeOut { after_s, in_vain } => {
                        now += Duration::from_secs(after_s);
                        let vain = |item: &Item| item.1 == usize::from(in_vain);
                        let mut out = queue.take_out(now, vain);
                        out.sort_by_key(|item| item.1);
                        let goes = |item: &mut Item| item.2 <= now || vain(item);
                        let expected: Vec<Item> = model.extract_if(.., goes).collect();
                        prop_assert_eq!(out, expected);
                        // Who does not wait any more begins anew when he comes again.
                        for (who, passed) in passed_over.iter_mut().enumerate() {
                            if model.iter().all(|waiting| usize::from(waiting.0) != who) {
                                *passed = 0;
                            }
                        }
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
            }
            prop_assert_eq!(queue.drain().len(), model.len());
        }
    }

    #[test]
    fn turns_go_round() {
        let mut queue = Queue::new();
        let until = Instant::now() + Duration::from_mins(1);
        for (who, item) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)] {
            queue.push(who, until, item);
        }
        assert_eq!(queue.drain(), [1, 4, 5, 2, 6, 3]);
    }
}
