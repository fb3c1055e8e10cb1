//! Processors that can be rented or bought.

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Device {
    /// Its short name.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// Dense operations a second at best, in the precision that models are trained in.
    pub peak: f64,
    /// Where that is said.
    pub peak_source: &'static str,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The part of the peak that good trainings reach.
    pub utilisation: f64,
    /// Where that is known from.
    pub utilisation_source: &'static str,
    /// US dollars an hour, about; none where it is bought and not rented.
    pub price: Option<f64>,
}

const BF16: f64 = 1e12;
const GB: u64 = 1_000_000_000;

/// Well-known processors. Prices are those of specialised providers in 2026; they change.
pub const DEVICES: &[Device] = &[
    Device {
        name: "a100",
        title: "NVIDIA A100 80GB",
        peak: 312.0 * BF16,
        peak_source: "NVIDIA A100 datasheet: 312 teraFLOPS BF16, dense",
        memory_bytes: 80 * GB,
        utilisation: 0.45,
        utilisation_source: "Llama 2 7B: 184,320 GPU hours (Touvron et al. 2023, table 2)",
        price: Some(1.10),
    },
    Device {
        name: "h100",
        title: "NVIDIA H100 SXM",
        peak: 989.4 * BF16,
        peak_source: "NVIDIA H100 datasheet: 1,979 teraFLOPS BF16 with sparsity, half of it dense",
        memory_bytes: 80 * GB,
        utilisation: 0.40,
        utilisation_source: "Llama 3: 38 to 43 % (Grattafiori et al. 2024, table 4)",
        price: Some(3.00),
    },
    Device {
        name: "h200",
        title: "NVIDIA H200 SXM",
        peak: 989.4 * BF16,
        peak_source: "NVIDIA H200 datasheet: 1,979 teraFLOPS BF16 with sparsity, half of it dense",
        memory_bytes: 141 * GB,
        utilisation: 0.40,
        utilisation_source: "taken to be the H100's, whose arithmetic it has",
        price: Some(3.80),
    },
    Device {
        name: "4090",
        title: "NVIDIA GeForce RTX 4090",
        peak: 165.2 * BF16,
        peak_source: "NVIDIA Ada GPU architecture: 165.2 teraFLOPS BF16 with FP32 accumulation, dense",
        memory_bytes: 24 * GB,
        utilisation: 0.40,
        utilisation_source: "an assumption: no published number is known",
        price: Some(0.69),
    },
    Device {
        name: "m1-max",
        title: "Apple M1 Max, 32 GPU cores",
        peak: 10.4e12,
        peak_source: "Apple, October 2021: 10.4 teraFLOPS",
        memory_bytes: 64 * GB,
        utilisation: 0.30,
        utilisation_source: "an assumption: no published number is known",
        price: None,
    },
    Device {
        name: "m2-ultra",
        title: "Apple M2 Ultra, 76 GPU cores",
        peak: 27.2e12,
        peak_source: "76 cores of 128 lanes, 1.4 GHz, two operations each",
        memory_bytes: 192 * GB,
        utilisation: 0.30,
        utilisation_source: "an assumption: no published number is known",
        price: None,
    },
];

/// The processor of this name.
pub fn device(name: &str) -> Option<&'static Device> {
    DEVICES.iter().find(|device| device.name.eq_ignore_ascii_case(name))
}
