//! Many short strings in one allocation: a vocabulary has hundreds of thousands.

/// A list of strings that lie one after the other in one buffer.
///
/// Reading a vocabulary of 262k tokens into this takes two allocations instead of 262k.
/// It is made by collecting anything that is a string: `["a", "b"].into_iter().collect()`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Strings {
    text: String,
    /// Where each string ends in `text`; it starts where the one before it ends.
    ends: Vec<usize>,
}

impl Strings {
    /// An empty list with room for `n` strings of `n_bytes` bytes together.
    pub fn with_capacity(n: usize, n_bytes: usize) -> Self {
        Self { text: String::with_capacity(n_bytes), ends: Vec::with_capacity(n) }
    }

    /// Takes a buffer and the places where its strings end.
    ///
    /// `None` unless the places are in order, fall between characters, and the last is the end.
    pub fn from_parts(text: String, ends: Vec<usize>) -> Option<Self> {
        let ordered = ends.is_sorted() && ends.last().copied().unwrap_or(0) == text.len();
        (ordered && ends.iter().all(|&end| text.is_char_boundary(end)))
            .then_some(Self { text, ends })
    }

    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }

    /// Appends a string.
    pub fn push(&mut self, string: &str) {
        self.text.push_str(string);
        self.ends.push(self.text.len());
    }

    /// The strings in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { text: &self.text, start: 0, ends: self.ends.iter() }
    }

    /// All strings without anything between them, and where each ends.
    pub fn as_parts(&self) -> (&str, &[usize]) {
        (&self.text, &self.ends)
    }
}

/// The strings of a [`Strings`] in order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    text: &'a str,
    start: usize,
    ends: std::slice::Iter<'a, usize>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let end = *self.ends.next()?;
        let string = &self.text[self.start..end];
        self.start = end;
        Some(string)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ends.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Strings {
    type Item = &'a str;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Self {
        let mut all = Self::default();
        all.extend(strings);
        all
    }
}

impl<S: AsRef<str>> Extend<S> for Strings {
    fn extend<I: IntoIterator<Item = S>>(&mut self, strings: I) {
        for string in strings {
            self.push(string.as_ref());
        }
    }
}

impl From<Vec<String>> for Strings {
    fn from(strings: Vec<String>) -> Self {
        strings.into_iter().collect()
    }
}

impl std::ops::Index<usize> for Strings {
    type Output = str;

    /// The string at `index`.
    ///
    /// # Panics
    /// If there is none.
    fn index(&self, index: usize) -> &str {
        match self.get(index) {
            Some(string) => string,
            None => panic!("string {index} of {}", self.len()),
        }
    }
}

impl std::fmt::Debug for Strings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_as_they_went_in() {
        let words = ["", "a", "\u{2581}the", "", "\u{1f600}"];
        let strings: Strings = words.into_iter().collect();
        assert_eq!(strings.len(), 5);
        assert_eq!(strings.iter().collect::<Vec<_>>(), words);
        assert_eq!((strings.get(2), strings.get(5)), (Some("\u{2581}the"), None));
        assert_eq!(&strings[4], "\u{1f600}");
        assert_eq!(strings.iter().len(), 5);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let text = || "a\u{e9}".to_owned();
        assert!(Strings::from_parts(text(), vec![1, 3]).is_some());
        assert!(Strings::from_parts(text(), vec![2, 3]).is_none(), "inside a character");
        assert!(Strings::from_parts(text(), vec![1]).is_none(), "text left over");
        assert!(Strings::from_parts(text(), vec![1, 4]).is_none(), "past the end");
        assert!(Strings::from_parts(text(), vec![3, 1, 3]).is_none(), "out of order");
        assert!(Strings::from_parts(String::new(), vec![]).is_some());
    }
}
