//! How the learning rate goes.

use crate::config::{Decay, ScheduleConfig};

/// By what learning rates are multiplied at `step`, counted from 0.
///
/// Source: Hu et al. 2024, "MiniCPM", for warm-up, stable, decay; Loshchilov & Hutter 2017,
/// "SGDR", for the cosine.
pub fn factor(schedule: &ScheduleConfig, step: u64) -> f64 {
    let done = step as f64;
    if step < schedule.warmup {
        return (done + 1.0) / schedule.warmup as f64;
    }
    let steps = schedule.steps as f64;
    match schedule.shape {
        Decay::WarmupStableDecay => {
            let falls = (schedule.decay_share * steps).max(1.0);
            ((steps - done) / falls).clamp(0.0, 1.0)
        }
        Decay::Cosine => {
            let way = (steps - schedule.warmup as f64).max(1.0);
            let share = ((done - schedule.warmup as f64) / way).min(1.0);
            0.1 + 0.45 * (1.0 + (std::f64::consts::PI * share).cos())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_stays_and_falls() {
        let mut schedule = ScheduleConfig {
            steps: 100,
            warmup: 10,
            shape: Decay::WarmupStableDecay,
            decay_share: 0.2,
        };
        let at = |schedule: &ScheduleConfig, step| factor(schedule, step);
        assert_eq!(at(&schedule, 0), 0.1);
        assert_eq!(at(&schedule, 9), 1.0);
        assert_eq!(at(&schedule, 79), 1.0);
        assert_eq!(at(&schedule, 90), 0.5);
        assert_eq!(at(&schedule, 100), 0.0);
        schedule.shape = Decay::Cosine;
        assert_eq!(at(&schedule, 10), 1.0);
        assert!((at(&schedule, 55) - 0.55).abs() < 1e-12);
        assert!((at(&schedule, 100) - 0.1).abs() < 1e-12);
    }
}
