//! Random input with a seed, and the blocks of each format.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses some of it")]
#![allow(clippy::unwrap_used, reason = "tests")]

use mynah_kernels::format::Format;

/// A small generator: Marsaglia 2003, "Xorshift RNGs".
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Between -1 and 1.
    pub fn unit(&mut self) -> f32 {
        ((self.bits() >> 40) as f32 / (1 << 23) as f32) - 1.0
    }

    pub fn numbers(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.unit()).collect()
    }

    /// Blocks of `format` with random numbers and sane scales.
    pub fn blocks(&mut self, format: Format, n: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..format.bytes_for(n).unwrap()).map(|_| (self.bits() >> 32) as u8).collect();
        for block in bytes.chunks_exact_mut(format.block_bytes()) {
            for at in scale_offsets(format) {
                let scale = half::f16::from_f32(self.unit() * 0.01);
                block[*at..at + 2].copy_from_slice(&scale.to_bits().to_le_bytes());
            }
            match format {
                Format::F32 => block.copy_from_slice(&self.unit().to_le_bytes()),
                Format::BF16 => {
                    let x = half::bf16::from_f32(self.unit());
                    block.copy_from_slice(&x.to_bits().to_le_bytes());
                }
                Format::MXFP4 => block[0] = 118 + block[0] % 8,
                _ => {}
            }
        }
        bytes
    }
}

fn scale_offsets(format: Format) -> &'static [usize] {
    match format {
        Format::F32 | Format::BF16 | Format::MXFP4 => &[],
        Format::F16
        | Format::Q4_0
        | Format::Q5_0
        | Format::Q8_0
        | Format::IQ4_NL
        | Format::IQ4_XS => &[0],
        Format::Q4_1 | Format::Q5_1 | Format::Q4_K | Format::Q5_K => &[0, 2],
        Format::Q2_K => &[80, 82],
        Format::Q3_K => &[108],
        Format::Q6_K => &[208],
    }
}
