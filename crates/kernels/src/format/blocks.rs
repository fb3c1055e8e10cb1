//! Walks over blocks, and the fields inside one.

/// Calls `decode` on every block of `B` bytes and its place of `N` numbers in `out`.
#[inline(always)]
pub(super) fn decode_each<const B: usize, const N: usize>(
    blocks: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; B], &mut [f32; N]),
) {
    for (block, out) in blocks.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        decode(block, out);
    }
}

/// Calls `encode` on every run of `N` numbers, their importances and their block of `B` bytes.
#[inline(always)]
pub(super) fn encode_each<const B: usize, const N: usize>(
    numbers: &[f32],
    importance: Option<&[f32]>,
    blocks: &mut [u8],
    encode: impl Fn(&[f32; N], Option<&[f32; N]>, &mut [u8; B]),
) {
    let importance = importance.map(|importance| importance.as_chunks().0);
    for (i, (numbers, block)) in
        numbers.as_chunks().0.iter().zip(blocks.as_chunks_mut().0).enumerate()
    {
        encode(numbers, importance.map(|importance| &importance[i]), block);
    }
}

/// The `N` bytes of a block that start at `at`.
#[inline(always)]
pub(super) fn field<const N: usize>(block: &[u8], at: usize) -> &[u8; N] {
    block[at..].first_chunk().expect("a field lies inside its block")
}

/// Writes `bytes` into a block from `at` on.
#[inline(always)]
pub(super) fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Two bits a code: code `i` of each 128 is in byte `i % 32` of 32, from bit `2 · (i / 32)` on.
#[inline(always)]
pub(super) fn unpack_pairs(packed: &[u8; 64]) -> [u8; 256] {
    let mut codes = [0; 256];
    for (packed, codes) in packed.as_chunks::<32>().0.iter().zip(codes.as_chunks_mut::<128>().0) {
        for (run, codes) in codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            *codes = packed.map(|byte| (byte >> (2 * run)) & 3);
        }
    }
    codes
}

/// Packs the two low bits of each code as [`unpack_pairs`] reads them.
#[inline(always)]
pub(super) fn pack_pairs(codes: &[u8; 256]) -> [u8; 64] {
    let mut packed = [0; 64];
    for (packed, codes) in packed.as_chunks_mut::<32>().0.iter_mut().zip(codes.as_chunks::<128>().0)
    {
        for (run, codes) in codes.as_chunks::<32>().0.iter().enumerate() {
            for (byte, code) in packed.iter_mut().zip(codes) {
                *byte |= (code & 3) << (2 * run);
            }
        }
    }
    packed
}

/// One bit a code: that of code `i` is bit `i / 32` of byte `i % 32`. Adds it to the codes,
/// shifted up to `bit`.
#[inline(always)]
pub(super) fn add_top_bits(packed: &[u8; 32], bit: u32, codes: &mut [u8; 256]) {
    for (run, codes) in codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for (code, byte) in codes.iter_mut().zip(packed) {
            *code |= ((byte >> run) & 1) << bit;
        }
    }
}

/// Packs bit `bit` of each code as [`add_top_bits`] reads them.
#[inline(always)]
pub(super) fn pack_top_bits(codes: &[u8; 256], bit: u32) -> [u8; 32] {
    let mut packed = [0; 32];
    for (run, codes) in codes.as_chunks::<32>().0.iter().enumerate() {
        for (byte, code) in packed.iter_mut().zip(codes) {
            *byte |= ((code >> bit) & 1) << run;
        }
    }
    packed
}

/// Four bits a code: the low nibbles of `N` bytes are the first half of `2 N` codes.
#[inline(always)]
pub(super) fn unpack_nibbles<const N: usize>(packed: &[u8; N], codes: &mut [u8]) {
    let (low, high) = codes.split_at_mut(N);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(packed) {
        (*low, *high) = (byte & 15, byte >> 4);
    }
}

/// Packs the four low bits of each code as [`unpack_nibbles`] reads them.
#[inline(always)]
pub(super) fn pack_nibbles<const N: usize>(codes: &[u8], packed: &mut [u8; N]) {
    let (low, high) = codes.split_at(N);
    for ((low, high), byte) in low.iter().zip(high).zip(packed) {
        *byte = (low & 15) | (high << 4);
    }
}
