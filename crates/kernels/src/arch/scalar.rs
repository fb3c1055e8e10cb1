//! The reference: sixteen lanes as plain arrays.

use half::{bf16, f16};

use super::{LANES, Simd};

/// Plain Rust, on every processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

type F = [f32; LANES];

#[inline(always)]
fn zip(a: F, b: F, op: impl Fn(f32, f32) -> f32) -> F {
    std::array::from_fn(|i| op(a[i], b[i]))
}

impl Simd for Scalar {
    type F = F;
    type I = [i32; LANES];
    type B = [u8; 64];

    // On x86 this is the reference and wants to be small; elsewhere it is what there is.
    const TILE_ROWS: usize = if cfg!(target_arch = "x86_64") { 1 } else { 4 };

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, from: &F) -> F {
        *from
    }
    #[inline(always)]
    fn store(self, v: F, to: &mut F) {
        *to = v;
    }
    #[inline(always)]
    fn load_f16(self, from: &[u16; LANES]) -> F {
        from.map(|bits| f16::from_bits(bits).to_f32())
    }
    #[inline(always)]
    fn store_f16(self, v: F, to: &mut [u16; LANES]) {
        *to = v.map(|x| f16::from_f32(x).to_bits());
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16; LANES]) -> F {
        from.map(|bits| bf16::from_bits(bits).to_f32())
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8; LANES]) -> F {
        from.map(f32::from)
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> F {
        from.map(f32::from)
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        // The standard library's own for WebAssembly rounds some results twice that are not normal.
        #[cfg(target_arch = "wasm32")]
        return std::array::from_fn(|i| super::fused::fused(a[i], b[i], c[i]));
        #[cfg(not(target_arch = "wasm32"))]
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: F) -> F {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn copysign(self, a: F, b: F) -> F {
        zip(a, b, f32::copysign)
    }
    #[inline(always)]
    fn round(self, a: F) -> F {
        a.map(f32::round_ties_even)
    }
    #[inline(always)]
    fn exp2_whole(self, n: F) -> F {
        n.map(|n| f32::from_bits(((n as i32).wrapping_add(127) as u32) << 23))
    }
    #[inline(always)]
    fn first(self, n: usize, a: F, b: F) -> F {
        std::array::from_fn(|i| if i < n { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn select_less(self, a: F, b: F, x: F, y: F) -> F {
        std::array::from_fn(|i| if a[i] < b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    fn sum(self, a: F) -> f32 {
        let mut v = a;
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                v[i] += v[i + half];
            }
            half /= 2;
        }
        v[0]
    }
    #[inline(always)]
    fn greatest(self, a: F) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, |m, x| if x > m { x } else { m })
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> [i32; LANES] {
        [x; LANES]
    }
    #[inline(always)]
    fn to_f(self, a: [i32; LANES]) -> F {
        a.map(|x| x as f32)
    }
    #[inline(always)]
    fn to_i8(self, a: F) -> [i8; LANES] {
        a.map(|x| x.round_ties_even() as i8)
    }
    #[inline(always)]
    fn load_bytes(self, from: &[u8; 64]) -> [u8; 64] {
        *from
    }
    #[inline(always)]
    fn store_bytes(self, v: [u8; 64], to: &mut [u8; 64]) {
        *to = v;
    }
    #[inline(always)]
    fn bits<const N: u32>(self, v: [u8; 64], mask: u8) -> [u8; 64] {
        v.map(|b| (b >> N) & mask)
    }
    #[inline(always)]
    fn bits_up<const N: u32>(self, v: [u8; 64], mask: u8) -> [u8; 64] {
        v.map(|b| (b << N) & mask)
    }
    #[inline(always)]
    fn or(self, a: [u8; 64], b: [u8; 64]) -> [u8; 64] {
        std::array::from_fn(|i| a[i] | b[i])
    }
    #[inline(always)]
    fn lookup(self, v: [u8; 64], table: &[u8; 16]) -> [u8; 64] {
        v.map(|b| table[usize::from(b & 15)])
    }
    #[inline(always)]
    fn dots<const MOST: u32, const Q: usize, const N: usize>(
        self,
        mut acc: [[i32; LANES]; N],
        w: &[[u8; 64]; Q],
        x: [&[i32; Q]; N],
    ) -> [[i32; LANES]; N] {
        for (acc, x) in acc.iter_mut().zip(x) {
            for (w, x) in w.iter().zip(x) {
                let x = x.to_le_bytes().map(|b| i32::from(b as i8));
                for (i, sum) in acc.iter_mut().enumerate() {
                    let products = (0..4).map(|j| i32::from(w[4 * i + j]) * x[j]);
                    *sum = sum.wrapping_add(products.sum());
                }
            }
        }
        acc
    }
}
