//! Sixteen lanes on each processor.
//!
//! Every kernel of this crate is one generic function over [`Simd`]. An implementation supplies
//! the same sixteen lanes of f32 and of i32, and 64 bytes, on its own registers: one 512-bit, two
//! 256-bit, four 128-bit, or plain arrays. Each operation is exact or correctly rounded, so all
//! implementations give the same bits, and the tests say so with `==`.
//!
//! What it does not do: choose an instruction set (see [`crate::isa`]), or touch memory other than
//! the arrays it is given.

#[cfg(target_arch = "aarch64")]
mod arm;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub use arm::{DotProd, I8mm, Neon};
pub(crate) use scalar::Scalar;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512, AvxVnni};

/// Stand-ins for the instruction sets of another architecture: no value of them exists.
macro_rules! absent {
    ($($name:ident),*) => {$(
        /// An instruction set that this architecture does not have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {}

        impl $name {
            /// Always `None` here.
            pub const fn detect() -> Option<Self> {
                None
            }
        }
    )*};
}
#[cfg(not(target_arch = "aarch64"))]
absent!(Neon, DotProd, I8mm);
#[cfg(not(target_arch = "x86_64"))]
absent!(Avx2, AvxVnni, Avx512);

/// How many lanes a vector has on every processor.
pub(crate) const LANES: usize = 16;

/// Sixteen lanes of arithmetic. A value of an implementing type proves that the processor has the
/// instructions.
pub(crate) trait Simd: Copy {
    /// Sixteen f32.
    type F: Copy;
    /// Sixteen i32.
    type I: Copy;
    /// Sixty-four bytes: sixteen groups of four.
    type B: Copy;

    /// How many activation rows a matrix-product tile should hold in registers.
    const TILE_ROWS: usize;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::F;
    /// Sixteen numbers from memory.
    fn load(self, from: &[f32; LANES]) -> Self::F;
    /// Sixteen numbers to memory.
    fn store(self, v: Self::F, to: &mut [f32; LANES]);
    /// Sixteen IEEE half-precision numbers, widened exactly.
    fn load_f16(self, from: &[u16; LANES]) -> Self::F;
    /// Sixteen numbers rounded to IEEE half precision, to nearest, ties to even.
    fn store_f16(self, v: Self::F, to: &mut [u16; LANES]);
    /// Sixteen bfloat16 numbers, widened exactly.
    fn load_bf16(self, from: &[u16; LANES]) -> Self::F;
    /// Sixteen unsigned bytes as numbers.
    fn load_u8(self, from: &[u8; LANES]) -> Self::F;
    /// Sixteen signed bytes as numbers.
    fn load_i8(self, from: &[i8; LANES]) -> Self::F;

    /// `a + b`.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b`.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`.
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a > b ? a : b` in each lane: `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a < b ? a : b` in each lane: `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// Magnitude.
    fn abs(self, a: Self::F) -> Self::F;
    /// Magnitude of `a` with the sign of `b`.
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F;
    /// Nearest whole number, ties to even.
    fn round(self, a: Self::F) -> Self::F;
    /// `2^n` for whole `n` in -126..=127.
    fn exp2_whole(self, n: Self::F) -> Self::F;
    /// `a` in the first `n` lanes, `b` in the rest.
    fn first(self, n: usize, a: Self::F, b: Self::F) -> Self::F;
    /// `a < b ? x : y` in each lane: `y` where either is NaN.
    fn select_less(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F;
    /// Sum of the lanes as a balanced tree: lane i with i+8, then i+4, i+2, i+1.
    fn sum(self, a: Self::F) -> f32;
    /// Greatest lane; lanes hold no NaN.
    fn greatest(self, a: Self::F) -> f32;

    /// `x` in every lane.
    fn splat_i(self, x: i32) -> Self::I;
    /// Nearest f32, ties to even.
    fn to_f(self, a: Self::I) -> Self::F;
    /// Nearest i32, ties to even; lanes are within range.
    fn to_i8(self, a: Self::F) -> [i8; LANES];

    /// Sixty-four bytes from memory.
    fn load_bytes(self, from: &[u8; 64]) -> Self::B;
    /// Sixty-four bytes to memory.
    fn store_bytes(self, v: Self::B, to: &mut [u8; 64]);
    /// `(v >> N) & mask` in each byte; `mask` must not reach into bits shifted in from a
    /// neighbouring byte: `mask <= 0xFF >> N`.
    fn bits<const N: u32>(self, v: Self::B, mask: u8) -> Self::B;
    /// `(v << N) & mask` in each byte; the low `N` bits of `mask` are zero.
    fn bits_up<const N: u32>(self, v: Self::B, mask: u8) -> Self::B;
    /// `a | b`.
    fn or(self, a: Self::B, b: Self::B) -> Self::B;
    /// `table[v]` for each byte `v` below 16.
    fn lookup(self, v: Self::B, table: &[u8; 16]) -> Self::B;
    /// Adds to lane i of `acc[r]`, for each of `Q` quads and `N` rows r, the dot product of the
    /// four unsigned bytes of group i of `w[q]` with the four signed bytes of `x[r][q]` (little
    /// endian).
    ///
    /// No byte of `w` exceeds `MOST`, none of `x` is -128: so that an instruction set without a dot
    /// product knows how many products fit sixteen bits.
    fn dots<const MOST: u32, const Q: usize, const N: usize>(
        self,
        acc: [Self::I; N],
        w: &[Self::B; Q],
        x: [&[i32; Q]; N],
    ) -> [Self::I; N];
}

/// Defines a function that runs a generic kernel on the instruction set it is given.
///
/// `entry! { fn name(isa; a: A, b: B) -> R = kernel; }` makes `name(isa, a, b)`, which calls
/// `kernel::<S>(simd, a, b)` inside a function compiled for that instruction set, so that
/// everything marked `#[inline(always)]` below it becomes straight-line vector code. Generic
/// parameters are written twice, as declared and as used: `fn name[L: Layout][L](isa; ...)`.
macro_rules! entry {
    ($(#[$meta:meta])* $vis:vis fn $name:ident
        $([$($declared:tt)*] [$($used:tt)*])?
        (isa; $($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? = $kernel:ident;) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "kernels take flat slices")]
        $vis fn $name $(<$($declared)*>)? (isa: $crate::isa::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
            #[allow(clippy::too_many_arguments, reason = "kernels take flat slices")]
            fn avx512 $(<$($declared)*>)? (s: $crate::arch::Avx512, $($arg: $ty),*) $(-> $ret)? {
                $kernel::<_, $($($used)*)?>(s, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avxvnni,avx2,fma,f16c")]
            #[allow(clippy::too_many_arguments, reason = "kernels take flat slices")]
            fn avxvnni $(<$($declared)*>)? (s: $crate::arch::AvxVnni, $($arg: $ty),*) $(-> $ret)? {
                $kernel::<_, $($($used)*)?>(s, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            #[allow(clippy::too_many_arguments, reason = "kernels take flat slices")]
            fn avx2 $(<$($declared)*>)? (s: $crate::arch::Avx2, $($arg: $ty),*) $(-> $ret)? {
                $kernel::<_, $($($used)*)?>(s, $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon,dotprod,i8mm")]
            #[allow(clippy::too_many_arguments, reason = "kernels take flat slices")]
            fn i8mm $(<$($declared)*>)? (s: $crate::arch::I8mm, $($arg: $ty),*) $(-> $ret)? {
                $kernel::<_, $($($used)*)?>(s, $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon,dotprod")]
            #[allow(clippy::too_many_arguments, reason = "kernels take flat slices")]
            fn dotprod $(<$($declared)*>)? (s: $crate::arch::DotProd, $($arg: $ty),*) $(-> $ret)? {
                $kernel::<_, $($($used)*)?>(s, $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            #[allow(clippy::too_many_arguments, reason = "kernels take flat slices")]
            fn neon $(<$($declared)*>)? (s: $crate::arch::Neon, $($arg: $ty),*) $(-> $ret)? {
                $kernel::<_, $($($used)*)?>(s, $($arg),*)
            }
            match isa {
                $crate::isa::Isa::Scalar => {
                    $kernel::<_, $($($used)*)?>($crate::arch::Scalar, $($arg),*)
                }
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "the token proves the features")]
                // SAFETY: only detection makes the token, and it checked these features.
                $crate::isa::Isa::Avx2(s) => unsafe { avx2 $(::<$($used)*>)? (s, $($arg),*) },
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "the token proves the features")]
                // SAFETY: only detection makes the token, and it checked these features.
                $crate::isa::Isa::AvxVnni(s) => unsafe { avxvnni $(::<$($used)*>)? (s, $($arg),*) },
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "the token proves the features")]
                // SAFETY: only detection makes the token, and it checked these features.
                $crate::isa::Isa::Avx512(s) => unsafe { avx512 $(::<$($used)*>)? (s, $($arg),*) },
                #[cfg(target_arch = "aarch64")]
                #[expect(unsafe_code, reason = "the token proves the features")]
                // SAFETY: only detection makes the token, and it checked these features.
                $crate::isa::Isa::Neon(s) => unsafe { neon $(::<$($used)*>)? (s, $($arg),*) },
                #[cfg(target_arch = "aarch64")]
                #[expect(unsafe_code, reason = "the token proves the features")]
                // SAFETY: only detection makes the token, and it checked these features.
                $crate::isa::Isa::DotProd(s) => unsafe { dotprod $(::<$($used)*>)? (s, $($arg),*) },
                #[cfg(target_arch = "aarch64")]
                #[expect(unsafe_code, reason = "the token proves the features")]
                // SAFETY: only detection makes the token, and it checked these features.
                $crate::isa::Isa::I8mm(s) => unsafe { i8mm $(::<$($used)*>)? (s, $($arg),*) },
            }
        }
    };
}
pub(crate) use entry;
