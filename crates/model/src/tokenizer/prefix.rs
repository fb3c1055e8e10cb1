//! Finds which strings of a set a text begins with.
//!
//! The strings are sorted, so those that share a beginning lie side by side, and reading a text
//! byte by byte narrows a range down. Nothing but the order is stored.

/// Numbers of strings, in the order of the strings.
///
/// The strings themselves are passed to each call and must always be the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrefixIndex {
    ids: Vec<u32>,
    /// Where the strings that begin with each byte start; the last entry is the end.
    by_first_byte: Vec<u32>,
}

/// The two bytes that any string of a set begins with: a quick way to say that none can start.
#[derive(Clone, Debug)]
pub(crate) struct Beginnings {
    first: [bool; 256],
    /// One bit for each two bytes. A string of one byte has them all.
    pairs: Vec<u64>,
}

impl Default for Beginnings {
    fn default() -> Self {
        Self { first: [false; 256], pairs: vec![0; 1024] }
    }
}

impl Beginnings {
    /// The next place from `at` on where a string may start.
    pub(crate) fn next_start(&self, text: &[u8], mut at: usize) -> Option<usize> {
        loop {
            at += text[at..].iter().position(|&byte| self.first[byte as usize])?;
            // Past the end, any second byte will do: only a string of one byte fits there.
            let second = text.get(at + 1).copied().unwrap_or_default();
            let word = self.pairs[text[at] as usize * 4 + second as usize / 64];
            if word >> (second % 64) & 1 == 1 {
                return Some(at);
            }
            at += 1;
        }
    }
}

impl PrefixIndex {
    /// Sorts strings; an empty one is left out, and of equal ones only the first stays.
    pub(crate) fn new<'a>(mut ids: Vec<u32>, get: impl Fn(u32) -> &'a [u8]) -> Self {
        ids.retain(|&id| !get(id).is_empty());
        ids.sort_by(|&a, &b| get(a).cmp(get(b)).then(a.cmp(&b)));
        ids.dedup_by(|later, first| get(*later) == get(*first));
        let mut by_first_byte = Vec::with_capacity(257);
        for byte in 0..=256usize {
            by_first_byte.push(ids.partition_point(|&id| (get(id)[0] as usize) < byte) as u32);
        }
        Self { ids, by_first_byte }
    }

    /// Whether there are no strings.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The numbers of the strings that begin with this byte.
    fn with_first_byte(&self, byte: u8) -> &[u32] {
        match self.by_first_byte.get(byte as usize..byte as usize + 2) {
            Some(&[start, end]) => &self.ids[start as usize..end as usize],
            _ => &[],
        }
    }

    /// Which two bytes the strings that `accept` takes begin with.
    pub(crate) fn beginnings<'a>(
        &self,
        get: impl Fn(u32) -> &'a [u8],
        accept: impl Fn(u32) -> bool,
    ) -> Beginnings {
        let mut beginnings = Beginnings { first: [false; 256], pairs: vec![0; 1024] };
        for &id in self.ids.iter().filter(|&&id| accept(id)) {
            match *get(id) {
                [] => {}
                [first] => {
                    beginnings.first[first as usize] = true;
                    beginnings.pairs[first as usize * 4..][..4].fill(u64::MAX);
                }
                [first, second, ..] => {
                    beginnings.first[first as usize] = true;
                    let word = first as usize * 4 + second as usize / 64;
                    beginnings.pairs[word] |= 1 << (second % 64);
                }
            }
        }
        beginnings
    }

    /// Calls `found` with the number and the length of each string that `text` begins with,
    /// shortest first.
    pub(crate) fn each_prefix<'a>(
        &self,
        text: &[u8],
        get: impl Fn(u32) -> &'a [u8],
        mut found: impl FnMut(u32, usize),
    ) {
        let Some((&first, rest)) = text.split_first() else { return };
        let mut range = self.with_first_byte(first);
        for (depth, byte) in (1..).zip(rest.iter().map(Some).chain([None])) {
            let Some(&shortest) = range.first() else { return };
            if get(shortest).len() == depth {
                found(shortest, depth);
                range = &range[1..];
            }
            let Some(&byte) = byte else { return };
            let start = range.partition_point(|&id| get(id)[depth] < byte);
            let end = range[start..].partition_point(|&id| get(id)[depth] == byte);
            range = &range[start..start + end];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(strings: &[&'static str], text: &str) -> Vec<(u32, usize)> {
        let get = |id: u32| strings[id as usize].as_bytes();
        let index = PrefixIndex::new((0..strings.len() as u32).collect(), get);
        let mut found = Vec::new();
        index.each_prefix(text.as_bytes(), get, |id, len| found.push((id, len)));
        found
    }

    #[test]
    fn all_prefixes_are_found_shortest_first() {
        let strings = ["abcd", "a", "abd", "", "ab", "b", "ab"];
        assert_eq!(prefixes(&strings, "abcde"), [(1, 1), (4, 2), (0, 4)]);
        assert_eq!(prefixes(&strings, "abcd"), [(1, 1), (4, 2), (0, 4)]);
        assert_eq!(prefixes(&strings, "abc"), [(1, 1), (4, 2)]);
        assert_eq!(prefixes(&strings, "b"), [(5, 1)]);
        assert_eq!(prefixes(&strings, "c"), []);
        assert_eq!(prefixes(&strings, ""), []);
        assert_eq!(prefixes(&[], "a"), []);
    }

    #[test]
    fn starts_are_where_two_bytes_fit() {
        let strings = ["ab", "c", "abc", "no"];
        let get = |id: u32| strings[id as usize].as_bytes();
        let index = PrefixIndex::new(vec![0, 1, 2, 3], get);
        let beginnings = index.beginnings(get, |id| id != 3);
        let starts = |text: &str| {
            let mut starts = Vec::new();
            let mut at = 0;
            while let Some(start) = beginnings.next_start(text.as_bytes(), at) {
                starts.push(start);
                at = start + 1;
            }
            starts
        };
        assert_eq!(starts("aabacbno"), [1, 4]);
        assert_eq!(starts("xc"), [1]);
        assert_eq!(starts("xa"), [0; 0]);
        assert_eq!(starts(""), [0; 0]);
        assert_eq!(Beginnings::default().next_start(b"abc", 0), None);
    }

    #[test]
    fn agrees_with_looking_at_every_string() {
        let letters = ["a", "b", "ab", "ba"];
        let mut strings = Vec::new();
        for a in letters {
            for b in letters {
                for c in letters {
                    strings.push(format!("{a}{b}{c}"));
                }
            }
        }
        let get = |id: u32| strings[id as usize].as_bytes();
        let index = PrefixIndex::new((0..strings.len() as u32).collect(), get);
        for text in &strings {
            let text = format!("{text}ab");
            let mut found = Vec::new();
            index.each_prefix(text.as_bytes(), get, |id, len| found.push((get(id), len)));
            let mut expected: Vec<&[u8]> = strings
                .iter()
                .map(String::as_bytes)
                .filter(|s| text.as_bytes().starts_with(s))
                .collect();
            expected.sort_unstable();
            expected.dedup();
            assert_eq!(found, expected.iter().map(|&s| (s, s.len())).collect::<Vec<_>>());
        }
    }
}
