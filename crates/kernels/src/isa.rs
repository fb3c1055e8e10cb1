//! Which instruction set to use, as a value that only detection can make.

use crate::arch::{Avx2, Avx512, AvxVnni, DotProd, I8mm, Neon};

/// An instruction set that this processor has.
///
/// All of them give the same bits: each kernel is written once over [`crate::arch::Simd`], sixteen
/// lanes wide, with every fused multiply-add and every sum in one fixed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust on arrays, the reference; the only one on processors not named below.
    Scalar,
    /// AVX2, FMA and F16C: 256-bit registers.
    Avx2(Avx2),
    /// As `Avx2`, with the 256-bit int8 dot product.
    AvxVnni(AvxVnni),
    /// AVX-512 F, BW, VL and VNNI: 512-bit registers with the int8 dot product.
    Avx512(Avx512),
    /// NEON, which every 64-bit ARM has: 128-bit registers.
    Neon(Neon),
    /// As `Neon`, with the int8 dot product of signed operands.
    DotProd(DotProd),
    /// As `Neon`, with the int8 dot product of an unsigned with a signed operand.
    I8mm(I8mm),
}

impl Isa {
    /// The fastest instruction set of this processor.
    pub fn detect() -> Self {
        *Self::available().last().unwrap_or(&Self::Scalar)
    }

    /// Every instruction set of this processor, slowest first.
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self::Scalar];
        all.extend(Avx2::detect().map(Self::Avx2));
        all.extend(AvxVnni::detect().map(Self::AvxVnni));
        all.extend(Avx512::detect().map(Self::Avx512));
        all.extend(Neon::detect().map(Self::Neon));
        all.extend(DotProd::detect().map(Self::DotProd));
        all.extend(I8mm::detect().map(Self::I8mm));
        all
    }

    /// The available instruction set of this name: `scalar`, `avx2`, `avxvnni`, `avx512`,
    /// `neon`, `dotprod`, `i8mm`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// The name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2(_) => "avx2",
            Self::AvxVnni(_) => "avxvnni",
            Self::Avx512(_) => "avx512",
            Self::Neon(_) => "neon",
            Self::DotProd(_) => "dotprod",
            Self::I8mm(_) => "i8mm",
        }
    }
}
