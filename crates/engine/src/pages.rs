//! Which sequence holds which page of the cache, and which pages may be used again.
//!
//! A page that is full of computed positions is entered into an index under the tokens it holds
//! and the page before it, so that a later prompt that begins with the same tokens finds it. The
//! index compares tokens, not hashes of them: a prefix is found if and only if it is the same. A
//! page that nobody holds stays in the index until its memory is needed; the one that was let go
//! longest ago goes first.

use std::collections::{BTreeMap, HashMap};

use mynah_kernels::PAGE;

/// Names a page's contents: all tokens up to its end. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Prefix(u64);

/// The tokens of a page and what came before them.
type Key = (Prefix, [u32; PAGE]);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// How many sequences hold the page.
    holders: u32,
    /// When it was let go, while nobody holds it and it is indexed.
    let_go: Option<u64>,
    /// The name of its contents, if they are indexed.
    prefix: Option<Prefix>,
}

/// The pages of a cache.
pub(crate) struct Pages {
    states: Vec<State>,
    /// Pages with nothing in them.
    empty: Vec<u32>,
    /// Indexed pages that nobody holds, by when they were let go.
    unheld: BTreeMap<u64, u32>,
    index: HashMap<Key, (u32, Prefix)>,
    keys: HashMap<Prefix, Key>,
    next: u64,
}

impl Pages {
    pub(crate) fn new(n_pages: usize) -> Self {
        Self {
            states: vec![State::default(); n_pages],
            empty: (0..n_pages as u32).rev().collect(),
            unheld: BTreeMap::new(),
            index: HashMap::new(),
            keys: HashMap::new(),
            next: 1,
        }
    }

    /// How many pages there are.
    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }

    /// How many pages could be taken now.
    pub(crate) fn available(&self) -> usize {
        self.empty.len() + self.unheld.len()
    }

    /// The beginning of all sequences that `kind` tells apart from others: pages are shared only
    /// among sequences of the same kind, such as those with the same adapter.
    pub(crate) fn root(kind: u32) -> Prefix {
        Prefix(u64::MAX - u64::from(kind))
    }

    /// A page for one holder; if none is empty, the one that was let go longest ago.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let page = match self.empty.pop() {
            Some(page) => page,
            None => {
                let (_, page) = self.unheld.pop_first()?;
                self.forget(page);
                page
            }
        };
        self.states[page as usize] = State { holders: 1, ..State::default() };
        Some(page)
    }

    /// Finds the page that continues `prefix` with `tokens`, and holds it.
    pub(crate) fn find(&mut self, prefix: Prefix, tokens: [u32; PAGE]) -> Option<(u32, Prefix)> {
        let &(page, name) = self.index.get(&(prefix, tokens))?;
        self.hold(page);
        Some((page, name))
    }

    /// Lets one more sequence hold a page.
    pub(crate) fn hold(&mut self, page: u32) {
        let state = &mut self.states[page as usize];
        state.holders += 1;
        if let Some(time) = state.let_go.take() {
            self.unheld.remove(&time);
        }
    }

    /// Enters a page that is full of computed positions into the index, and names its contents.
    /// If another page has the same contents, that one stays in the index.
    pub(crate) fn enter(&mut self, page: u32, prefix: Prefix, tokens: [u32; PAGE]) -> Prefix {
        let key = (prefix, tokens);
        if let Some(&(_, name)) = self.index.get(&key) {
            return name;
        }
        let name = Prefix(self.tick());
        self.index.insert(key, (page, name));
        self.keys.insert(name, key);
        self.states[page as usize].prefix = Some(name);
        name
    }

    /// Lets pages go, given in the order of their sequence. The last are forgotten first.
    pub(crate) fn release(&mut self, pages: &[u32]) {
        for &page in pages.iter().rev() {
            let time = self.tick();
            let state = &mut self.states[page as usize];
            state.holders -= 1;
            if state.holders > 0 {
                continue;
            }
            if state.prefix.is_some() {
                state.let_go = Some(time);
                self.unheld.insert(time, page);
            } else {
                self.empty.push(page);
            }
        }
    }

    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes a page's contents out of the index.
    fn forget(&mut self, page: u32) {
        let state = &mut self.states[page as usize];
        if let Some(key) = state.prefix.take().and_then(|name| self.keys.remove(&name)) {
            self.index.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(seed: u32) -> [u32; PAGE] {
        std::array::from_fn(|i| seed * 100 + i as u32)
    }

    #[test]
    fn a_prefix_is_found_only_after_the_same_prefix() {
        let mut pages = Pages::new(4);
        let root = Pages::root(0);
        let a = pages.take().unwrap();
        let name = pages.enter(a, root, tokens(1));
        let b = pages.take().unwrap();
        let longer = pages.enter(b, name, tokens(2));
        assert_eq!(pages.find(root, tokens(1)), Some((a, name)));
        assert_eq!(pages.find(name, tokens(2)), Some((b, longer)));
        assert_eq!(pages.find(root, tokens(2)), None, "same tokens after something else");
        assert_eq!(pages.find(Pages::root(1), tokens(1)), None, "another adapter");
    }

    #[test]
    fn pages_are_used_again_and_the_end_of_a_sequence_goes_first() {
        let mut pages = Pages::new(3);
        let root = Pages::root(0);
        let held: Vec<u32> = (0..3).map(|_| pages.take().unwrap()).collect();
        assert_eq!(pages.take(), None);
        let first = pages.enter(held[0], root, tokens(1));
        pages.enter(held[1], first, tokens(2));
        pages.release(&held);
        assert_eq!(pages.available(), 3);
        assert_eq!(pages.take(), Some(held[2]), "the page that was never full");
        assert_eq!(pages.take(), Some(held[1]), "then the end of the prefix");
        assert_eq!(pages.find(first, tokens(2)), None, "which is forgotten");
        assert_eq!(pages.find(root, tokens(1)), Some((held[0], first)), "the beginning is not");
        assert_eq!(pages.take(), None, "nothing is taken from a holder");
    }

    #[test]
    fn a_shared_page_is_free_when_its_last_holder_goes() {
        let mut pages = Pages::new(1);
        let page = pages.take().unwrap();
        pages.hold(page);
        pages.release(&[page]);
        assert_eq!(pages.available(), 0);
        pages.release(&[page]);
        assert_eq!(pages.available(), 1);
    }
}
