//! Writes GGUF byte by byte, so that a test can make any field wrong.

/// A GGUF file in pieces; [`Gguf::bytes`] puts them together without checking anything.
#[derive(Clone)]
pub(crate) struct Gguf {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    pub(crate) n_tensors: u64,
    pub(crate) n_facts: u64,
    /// The encoded facts, one after the other.
    pub(crate) facts: Vec<u8>,
    /// The encoded table of tensors.
    pub(crate) table: Vec<u8>,
    pub(crate) alignment: usize,
    pub(crate) data: Vec<u8>,
}

impl Default for Gguf {
    fn default() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            n_tensors: 0,
            n_facts: 0,
            facts: Vec::new(),
            table: Vec::new(),
            alignment: 32,
            data: Vec::new(),
        }
    }
}

/// A string as GGUF writes it: its length, its bytes.
pub(crate) fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

/// The beginning of an array: the type of its entries and how many there are.
pub(crate) fn array(kind: u32, n: u64) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &n.to_le_bytes()].concat()
}

impl Gguf {
    /// A small file with a fact of each type and two tensors.
    pub(crate) fn example() -> Self {
        Self::default()
            .fact("general.architecture", 8, &string("llama"))
            .fact("u8", 0, &[200])
            .fact("i8", 1, &[200])
            .fact("u16", 2, &40_000u16.to_le_bytes())
            .fact("i16", 3, &(-5i16).to_le_bytes())
            .number("u32", 4_000_000_000)
            .fact("i32", 5, &(-7i32).to_le_bytes())
            .fact("f32", 6, &1.5f32.to_le_bytes())
            .fact("bool", 7, &[1])
            .fact("u64", 10, &u64::MAX.to_le_bytes())
            .fact("i64", 11, &i64::MIN.to_le_bytes())
            .fact("f64", 12, &0.1f64.to_le_bytes())
            .fact("u8s", 9, &[array(0, 3), vec![1, 2, 3]].concat())
            .fact("f32s", 9, &[array(6, 1), 2.5f32.to_le_bytes().to_vec()].concat())
            .fact("bools", 9, &[array(7, 2), vec![0, 1]].concat())
            .fact("strings", 9, &[array(8, 3), string("a"), string(""), string("é")].concat())
            .fact("nested", 9, &[array(9, 2), array(0, 1), vec![9], array(8, 0)].concat())
            .entry("a.weight", &[4, 2], 0, 0)
            .entry("b.weight", &[32], 8, 32)
            .data(66)
    }

    /// Adds a fact from its encoded value.
    pub(crate) fn fact(mut self, key: impl AsRef<[u8]>, kind: u32, value: &[u8]) -> Self {
        self.facts.extend(string(key));
        self.facts.extend(kind.to_le_bytes());
        self.facts.extend(value);
        self.n_facts += 1;
        self
    }

    /// Adds a whole number.
    pub(crate) fn number(self, key: &str, value: u32) -> Self {
        self.fact(key, 4, &value.to_le_bytes())
    }

    /// Adds a row to the table of tensors.
    pub(crate) fn entry(mut self, name: &str, dims: &[u64], kind: u32, offset: u64) -> Self {
        self.table.extend(string(name));
        self.table.extend((dims.len() as u32).to_le_bytes());
        self.table.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
        self.table.extend(kind.to_le_bytes());
        self.table.extend(offset.to_le_bytes());
        self.n_tensors += 1;
        self
    }

    /// Sets the bytes of all tensors.
    pub(crate) fn data(mut self, n: usize) -> Self {
        self.data = (0..n).map(|i| i as u8).collect();
        self
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.n_tensors.to_le_bytes());
        bytes.extend(self.n_facts.to_le_bytes());
        bytes.extend(&self.facts);
        bytes.extend(&self.table);
        bytes.resize(bytes.len().next_multiple_of(self.alignment), 0);
        bytes.extend(&self.data);
        bytes
    }
}
