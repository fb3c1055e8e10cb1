//! Tests of the whole chain; each step has its own beside it.

use proptest::prelude::*;

use super::random::philox4x32;
use super::*;

/// Roughly normal logits with the given standard deviation, from the generator itself.
fn normal_logits(vocab_len: usize, seed: u32, deviation: f32) -> Vec<f32> {
    (0..vocab_len as u32)
        .map(|token| {
            let words = philox4x32([token, 0, 0, 0], [seed, 1]);
            let sum: f32 = words.iter().map(|&word| (word >> 8) as f32 / 8_388_608.0 - 1.0).sum();
            sum * deviation / 1.154_700_5
        })
        .collect()
}

fn draw_at(logits: &mut [f32], position: u64) -> Draw<'_> {
    Draw { logits, position, history: &[], mask: None }
}

fn sample_at(params: &SamplingParams, logits: &[f32], position: u64) -> Sampled {
    let sampler = Sampler::new(params, logits.len()).unwrap();
    sampler.sample(&mut Workspace::new(), draw_at(&mut logits.to_vec(), position)).unwrap()
}

#[test]
fn greedy_takes_the_largest_and_of_equals_the_lowest_id() {
    for at in [0, 1, 127, 128, 300, 511] {
        let mut logits = normal_logits(512, 3, 1.0);
        logits[at] = 50.0;
        logits[511] = 50.0;
        let sampled = sample_at(&SamplingParams::greedy(), &logits, 0);
        assert_eq!(sampled, Sampled { token: at as u32, logprob: None, top: Vec::new() });
    }
}

#[test]
fn bad_logits_are_errors_that_say_where() {
    for (bad, value) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        for params in [SamplingParams::greedy(), SamplingParams::default()] {
            let sampler = Sampler::new(&params, 300).unwrap();
            let mut logits = normal_logits(300, 1, 1.0);
            logits[200] = bad;
            let fault = sampler.sample(&mut Workspace::new(), draw_at(&mut logits, 9)).unwrap_err();
            assert_eq!(
                fault.to_string(),
                format!("the logit of token 200 at position 9 is {value}")
            );
        }
    }
    let sampler = Sampler::new(&SamplingParams::default(), 4).unwrap();
    let mut workspace = Workspace::new();
    let fault = sampler.sample(&mut workspace, draw_at(&mut [f32::NEG_INFINITY; 4], 2));
    assert_eq!(
        fault.unwrap_err().to_string(),
        "no token may be chosen at position 2: every one is forbidden"
    );
    let fault = sampler.sample(&mut workspace, draw_at(&mut [0.0; 5], 0)).unwrap_err();
    assert_eq!(fault.to_string(), "got 5 logits, but the vocabulary has 4 tokens");
    let empty = Draw { logits: &mut [0.0; 4], position: 0, history: &[], mask: Some(&[]) };
    let fault = sampler.sample(&mut workspace, empty).unwrap_err();
    assert_eq!(fault.to_string(), "the mask of allowed tokens is empty");
}

#[test]
fn parameters_that_name_missing_tokens_are_refused() {
    let params =
        SamplingParams { logit_bias: [(2, 1.0), (4, 1.0)].into(), ..SamplingParams::default() };
    let fault = Sampler::new(&params, 4).unwrap_err();
    assert_eq!(fault.to_string(), "logit_bias has token 4, but the model has 4 tokens");
    let fault = Sampler::new(&SamplingParams::default(), 0).unwrap_err();
    assert_eq!(fault.to_string(), "vocab_len is 0, but must be from 1 to 4294967295");
    let dry = SamplingParams { dry_multiplier: 1.0, ..SamplingParams::default() };
    assert!(matches!(Sampler::new(&dry, 4), Err(SamplingError::BreakerNeedsVocabulary { .. })));
}

#[test]
fn the_mask_decides_and_the_bias_forbids() {
    let logits = normal_logits(100, 5, 3.0);
    let allowed = [1_u32 << 7 | 1 << 20, 1, 0, 0];
    for params in [SamplingParams::greedy(), SamplingParams::untruncated()] {
        for position in 0..50 {
            let sampler = Sampler::new(&params, 100).unwrap();
            let draw =
                Draw { logits: &mut logits.clone(), position, history: &[], mask: Some(&allowed) };
            let token = sampler.sample(&mut Workspace::new(), draw).unwrap().token;
            assert!([7, 20, 32].contains(&token), "{token}");
        }
    }
    let params = SamplingParams {
        logit_bias: (0..99).map(|token| (token, f32::NEG_INFINITY)).collect(),
        ..SamplingParams::untruncated()
    };
    assert_eq!(sample_at(&params, &logits, 0).token, 99);
}

/// Draws many tokens and compares their counts with the distribution.
fn chi_square(params: &SamplingParams, vocab_len: usize) -> (f64, usize) {
    const DRAWS: u64 = 20_000;
    let logits = normal_logits(vocab_len, 8, 1.5);
    let sampler = Sampler::new(params, vocab_len).unwrap();
    let mut workspace = Workspace::new();
    let distribution =
        sampler.distribution(&mut workspace, draw_at(&mut logits.clone(), 0)).unwrap();
    let mut counts = vec![0_u64; vocab_len];
    let mut buffer = logits.clone();
    for position in 0..DRAWS {
        buffer.copy_from_slice(&logits);
        let draw = draw_at(&mut buffer, position);
        counts[sampler.sample(&mut workspace, draw).unwrap().token as usize] += 1;
    }
    // Tokens that are expected less than ten times are counted together.
    let (mut statistic, mut classes) = (0.0, 0);
    let (mut rare_expected, mut rare_count) = (0.0, 0);
    let mut accounted = 0;
    for (token, p) in distribution {
        let (expected, count) = (p * DRAWS as f64, counts[token as usize]);
        accounted += count;
        if expected < 10.0 {
            rare_expected += expected;
            rare_count += count;
        } else {
            statistic += (count as f64 - expected).powi(2) / expected;
            classes += 1;
        }
    }
    assert_eq!(accounted, DRAWS, "a token was drawn that cannot be");
    if rare_expected > 0.0 {
        statistic += (rare_count as f64 - rare_expected).powi(2) / rare_expected;
        classes += 1;
    }
    (statistic, classes - 1)
}

#[test]
fn draws_follow_the_distribution() {
    let seeds = [1, 2];
    let shapes = [
        SamplingParams::untruncated(),
        SamplingParams { temperature: 0.3, ..SamplingParams::untruncated() },
        SamplingParams { temperature: 2.5, ..SamplingParams::untruncated() },
        SamplingParams { top_p: 0.8, ..SamplingParams::untruncated() },
        SamplingParams { typical_p: 0.5, ..SamplingParams::untruncated() },
        SamplingParams::default(),
    ];
    for shape in shapes {
        for seed in seeds {
            let params = SamplingParams { seed, ..shape.clone() };
            let (statistic, freedom) = chi_square(&params, 700);
            // Wilson and Hilferty 1931: the cube root is nearly normal. 4 deviations.
            let degrees = freedom as f64;
            let spread = 2.0 / (9.0 * degrees);
            let deviations = ((statistic / degrees).cbrt() - (1.0 - spread)) / spread.sqrt();
            assert!(deviations.abs() < 4.0, "{params:?}: {statistic} of {freedom}");
        }
    }
}

#[test]
fn a_draw_depends_on_its_place_and_on_nothing_before_it() {
    let logits = normal_logits(2000, 6, 2.0);
    let params = SamplingParams { seed: 77, top_p: 0.9, ..SamplingParams::untruncated() };
    let sampler = Sampler::new(&params, 2000).unwrap();
    let alone: Vec<u32> = (0..100).map(|p| sample_at(&params, &logits, p).token).collect();
    // Other samples, other lengths and other parameters in between, backwards.
    let mut workspace = Workspace::new();
    let greedy = Sampler::new(&SamplingParams::greedy(), 40).unwrap();
    for position in (0..100).rev() {
        greedy.sample(&mut workspace, draw_at(&mut normal_logits(40, 1, 1.0), 3)).unwrap();
        let other = sampler.for_sample(1);
        other.sample(&mut workspace, draw_at(&mut logits.clone(), position)).unwrap();
        let again = sampler.sample(&mut workspace, draw_at(&mut logits.clone(), position)).unwrap();
        assert_eq!(again.token, alone[position as usize]);
    }
    let others: Vec<u32> = (0..100)
        .map(|position| {
            let other = sampler.for_sample(1);
            other.sample(&mut workspace, draw_at(&mut logits.clone(), position)).unwrap().token
        })
        .collect();
    assert_ne!(alone, others);
}

#[test]
fn speculation_gives_the_tokens_of_plain_decoding() {
    // A model whose logits depend on the last two tokens, and a draft that is often wrong.
    let model = |history: &[u32]| {
        let last = history.iter().rev().take(2).fold(0_u32, |h, &t| h * 64 + t);
        normal_logits(64, last, 2.0)
    };
    let params = SamplingParams {
        seed: 5,
        presence_penalty: 0.5,
        dry_multiplier: 0.5,
        dry_sequence_breakers: vec![Breaker::Tokens(vec![3])],
        ..SamplingParams::default()
    };
    let sampler = Sampler::new(&params, 64).unwrap();
    let mut workspace = Workspace::new();
    let mut next = |history: &[u32]| {
        let position = history.len() as u64;
        let draw = Draw { logits: &mut model(history), position, history, mask: None };
        sampler.sample(&mut workspace, draw).unwrap().token
    };
    let mut plain = vec![1, 2];
    while plain.len() < 200 {
        let token = next(&plain);
        plain.push(token);
    }
    let mut speculated = vec![1, 2];
    let mut accepted = 0;
    while speculated.len() < 200 {
        let mut draft = speculated.clone();
        for step in 0..4 {
            let right = next(&draft);
            draft.push(if (draft.len() + step) % 3 == 0 { right ^ 1 } else { right });
        }
        for &drafted in &draft[speculated.len()..] {
            let token = next(&speculated);
            speculated.push(token);
            if token != drafted {
                break;
            }
            accepted += 1;
        }
    }
    assert!(accepted > 50, "{accepted}");
    assert_eq!(speculated[..200], plain[..200]);
}

#[test]
fn logprobs_are_those_of_the_model_before_any_step() {
    let logits = normal_logits(5000, 2, 2.0);
    let log_total = {
        let sum: f64 = logits.iter().map(|&x| libm::exp(f64::from(x))).sum();
        libm::log(sum)
    };
    let params = SamplingParams {
        logprobs: Some(5),
        logit_bias: [(17, 100.0)].into(),
        temperature: 0.5,
        ..SamplingParams::default()
    };
    let sampled = sample_at(&params, &logits, 0);
    assert_eq!(sampled.token, 17);
    let want = f64::from(logits[17]) - log_total;
    assert!((f64::from(sampled.logprob.unwrap()) - want).abs() < 1e-5);
    let mut order: Vec<u32> = (0..5000).collect();
    order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
    assert_eq!(sampled.top.iter().map(|(t, _)| *t).collect::<Vec<_>>(), order[..5]);
    for (token, logprob) in sampled.top {
        let want = f64::from(logits[token as usize]) - log_total;
        assert!((f64::from(logprob) - want).abs() < 1e-5);
    }
    let none = SamplingParams { logprobs: Some(0), ..SamplingParams::greedy() };
    let sampled = sample_at(&none, &logits, 0);
    assert!(sampled.top.is_empty() && sampled.logprob.is_some());
}

#[test]
fn extreme_temperatures_and_logits_are_fine() {
    let huge = [3e38, -3e38, 3e38, 0.0];
    let tiny = SamplingParams { temperature: 1e-45, ..SamplingParams::untruncated() };
    assert_eq!(sample_at(&tiny, &[1.0, 1.0001, 0.5], 0).token, 1);
    for params in [
        SamplingParams::untruncated(),
        SamplingParams::default(),
        tiny,
        SamplingParams { temperature: 100.0, typical_p: 0.9, ..SamplingParams::untruncated() },
    ] {
        let token = sample_at(&params, &huge, 0).token;
        assert!(token == 0 || token == 2, "{params:?}");
    }
}

#[test]
fn buffers_are_reused() {
    let logits = normal_logits(20_000, 4, 0.5);
    let params = SamplingParams {
        top_p: 0.95,
        typical_p: 0.98,
        presence_penalty: 0.1,
        frequency_penalty: 0.1,
        dry_multiplier: 0.5,
        dry_sequence_breakers: Vec::new(),
        logprobs: Some(3),
        ..SamplingParams::untruncated()
    };
    let sampler = Sampler::new(&params, logits.len()).unwrap();
    let history: Vec<u32> = (0..300).map(|i| i * i % 97).collect();
    let mut workspace = Workspace::new();
    let mut run = |position| {
        let draw = Draw { logits: &mut logits.clone(), position, history: &history, mask: None };
        sampler.sample(&mut workspace, draw).unwrap();
        (
            workspace.maxima.as_ptr(),
            workspace.scratch.as_ptr(),
            workspace.candidates.as_ptr(),
            workspace.open.as_ptr(),
            workspace.likeliest.as_ptr(),
            workspace.raw.as_ptr(),
            workspace.counts.as_ptr(),
            workspace.repeats.as_ptr(),
        )
    };
    let first = run(0);
    for position in 1..20 {
        assert_eq!(run(position), first);
    }
}

fn any_params() -> impl Strategy<Value = SamplingParams> {
    let truncation = (0.0_f32..3.0, 0_usize..50, 0.01_f32..1.2, 0.0_f32..0.5, 0.01_f32..1.3);
    let penalties = (0.5_f32..2.0, -1.0_f32..1.0, -1.0_f32..1.0, 0.0_f32..1.0);
    let windows = (prop::option::of(0_usize..40), prop::option::of(0_usize..40), 0_usize..4);
    (truncation, penalties, windows, any::<u64>(), prop::option::of(0_usize..10)).prop_map(
        |(truncation, penalties, windows, seed, logprobs)| SamplingParams {
            temperature: if truncation.0 < 0.5 { 0.0 } else { truncation.0 },
            top_k: truncation.1,
            top_p: truncation.2.min(1.0),
            min_p: (truncation.3 - 0.1).max(0.0),
            typical_p: truncation.4.min(1.0),
            repetition_penalty: penalties.0,
            frequency_penalty: penalties.1,
            presence_penalty: penalties.2,
            dry_multiplier: (penalties.3 - 0.5).max(0.0),
            penalty_last_n: windows.0,
            dry_penalty_last_n: windows.1,
            dry_allowed_length: windows.2,
            dry_sequence_breakers: vec![Breaker::Tokens(vec![1])],
            seed,
            logprobs,
            ..SamplingParams::untruncated()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_is_asked_the_token_is_in_the_distribution(
        params in any_params(),
        vocab_len in 2_usize..700,
        seed: u32,
        history in prop::collection::vec(0_u32..2, 0..60),
        forbidden in prop::collection::vec(any::<u32>(), 22),
    ) {
        let logits = normal_logits(vocab_len, seed, 2.0);
        let sampler = Sampler::new(&params, vocab_len).unwrap();
        let mut workspace = Workspace::new();
        let mask: Vec<u32> = forbidden.iter().map(|word| word | 1).collect();
        let mut copy = logits.clone();
        let draw = Draw { logits: &mut copy, position: 4, history: &history, mask: Some(&mask) };
        let distribution = sampler.distribution(&mut workspace, draw).unwrap();
        let mut copy = logits.clone();
        let draw = Draw { logits: &mut copy, position: 4, history: &history, mask: Some(&mask) };
        let token = sampler.sample(&mut workspace, draw).unwrap().token;
        prop_assert!(distribution.iter().any(|(id, p)| *id == token && *p > 0.0));
        prop_assert!(mask[token as usize / 32] >> (token % 32) & 1 == 1);
        let total: f64 = distribution.iter().map(|(_, p)| p).sum();
        prop_assert!((total - 1.0).abs() < 1e-9);
    }
}

#[test]
fn the_same_tokens_on_every_machine() {
    // Pinned: neither a processor nor a compiler may change them.
    let logits = normal_logits(3000, 12, 2.0);
    let draws = |params: SamplingParams| -> Vec<u32> {
        (0..8).map(|position| sample_at(&params, &logits, position).token).collect()
    };
    let untruncated = SamplingParams::untruncated();
    assert_eq!(draws(untruncated.clone()), [1281, 2925, 78, 2368, 2783, 1428, 2168, 2134]);
    assert_eq!(draws(SamplingParams::default()), [2350, 437, 2168, 832, 1650, 1814, 957, 474]);
    assert_eq!(
        draws(SamplingParams { top_p: 0.9, ..untruncated.clone() }),
        [1287, 2925, 78, 2362, 2777, 1443, 2168, 2154]
    );
    let typical = SamplingParams { typical_p: 0.9, seed: 3, ..untruncated };
    assert_eq!(draws(typical), [2423, 890, 2350, 450, 2769, 1701, 2533, 2777]);
}
