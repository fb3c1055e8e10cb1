//! Steps that change logits: the mask, the bias and the penalties for repetition.
//!
//! All are functions of their arguments: the penalties count the window of the
//! history afresh at every token. There is no state, so there is nothing to roll
//! back when a draft is rejected, and a sequence that continues from a cached
//! prefix needs nothing but its tokens.

use super::{SamplingError, SamplingParams, Workspace};

/// Sets the logits of tokens whose bit is not set in `mask` to negative infinity.
///
/// `mask`: bit `i % 32` of word `i / 32` stands for token `i`; tokens beyond its
/// end are forbidden (a model may have more logits than its tokenizer has tokens).
pub(crate) fn apply_mask(logits: &mut [f32], mask: &[u32]) {
    let masked = logits.len().min(mask.len() * 32);
    let (inside, outside) = logits.split_at_mut(masked);
    for (group, &word) in inside.chunks_mut(32).zip(mask) {
        match word {
            u32::MAX => {}
            0 => group.fill(f32::NEG_INFINITY),
            _ => {
                for (bit, logit) in group.iter_mut().enumerate() {
                    if word >> bit & 1 == 0 {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            }
        }
    }
    outside.fill(f32::NEG_INFINITY);
}

/// Returns the last `n` tokens, or all.
pub(crate) fn window(history: &[u32], n: Option<usize>) -> &[u32] {
    let length = n.map_or(history.len(), |n| n.min(history.len()));
    &history[history.len() - length..]
}

/// Applies the repetition, frequency and presence penalties.
///
/// # Errors
/// If the window holds a token outside the vocabulary.
pub(crate) fn apply_penalties(
    params: &SamplingParams,
    logits: &mut [f32],
    history: &[u32],
    workspace: &mut Workspace,
) -> Result<(), SamplingError> {
    let window = window(history, params.penalty_last_n);
    check_history(window, logits.len())?;
    workspace.reserve_counts(logits.len());
    let counts = &mut workspace.counts;
    for &token in window {
        counts[token as usize] += 1;
    }
    for &token in window {
        // Taking the count leaves a zero, so a second occurrence is skipped.
        let count = std::mem::take(&mut counts[token as usize]);
        if count == 0 {
            continue;
        }
        let logit = &mut logits[token as usize];
        if *logit <= 0.0 {
            *logit *= params.repetition_penalty;
        } else {
            *logit /= params.repetition_penalty;
        }
        *logit -= count as f32 * params.frequency_penalty + params.presence_penalty;
    }
    Ok(())
}

/// Refuses a history with tokens that the model does not have.
pub(crate) fn check_history(window: &[u32], vocab_len: usize) -> Result<(), SamplingError> {
    match window.iter().find(|&&token| token as usize >= vocab_len) {
        Some(&token) => {
            Err(SamplingError::TokenOutOfVocabulary { field: "history", token, vocab_len })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_keeps_only_set_bits() {
        for length in [1, 31, 32, 33, 64, 100] {
            let mut logits = vec![1.0; length];
            apply_mask(&mut logits, &[0b101, u32::MAX]);
            for (token, &logit) in logits.iter().enumerate() {
                let allowed = matches!(token, 0 | 2 | 32..64);
                assert_eq!(logit == 1.0, allowed, "token {token} of {length}");
            }
        }
    }

    #[test]
    fn penalties_count_the_window_only() {
        let params = SamplingParams {
            repetition_penalty: 2.0,
            frequency_penalty: 0.25,
            presence_penalty: 0.5,
            penalty_last_n: Some(3),
            ..SamplingParams::untruncated()
        };
        let mut workspace = Workspace::new();
        let mut logits = [4.0, -4.0, 1.0, 0.0];
        apply_penalties(&params, &mut logits, &[2, 2, 0, 1, 0], &mut workspace).unwrap();
        assert_eq!(logits, [2.0 - 0.5 - 0.5, -8.0 - 0.25 - 0.5, 1.0, 0.0]);
        assert!(workspace.counts.iter().all(|&count| count == 0));
    }

    #[test]
    fn history_outside_the_vocabulary_is_an_error() {
        let params = SamplingParams { presence_penalty: 1.0, ..SamplingParams::untruncated() };
        let mut workspace = Workspace::new();
        let fault = apply_penalties(&params, &mut [0.0; 4], &[1, 4], &mut workspace).unwrap_err();
        assert_eq!(fault.to_string(), "history has token 4, but the model has 4 tokens");
        assert!(workspace.counts.iter().all(|&count| count == 0));
    }
}
