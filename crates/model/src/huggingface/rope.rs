//! Rotary positions: their base and how they are stretched over longer contexts.
//!
//! Source of the formulas: transformers' `modeling_rope_utils.py` and llama.cpp's `conversion/`.

use super::HuggingFaceError;
use super::config::Config;
use super::facts::{Facts, head_size};

const BASE: &[&str] = &["rope_theta", "rotary_emb_base"];
const ORIGINAL: &[&str] = &["original_max_position_embeddings"];
/// The largest head for which a list of frequencies is made; known models have 256 at most.
const LARGEST_HEAD: u32 = 1 << 16;

/// What the configuration says about rotation: for layers that see everything, and for those with a
/// window if they differ.
struct Rotation {
    full: Option<Config>,
    sliding: Option<Config>,
}

/// The newer `rope_parameters` or the older `rope_scaling`, either of which may be absent.
fn rotation(config: &Config) -> Result<Rotation, HuggingFaceError> {
    let all = match config.object("rope_parameters")? {
        Some(all) => Some(all),
        None => config.object("rope_scaling")?,
    };
    let Some(all) = all else { return Ok(Rotation { full: None, sliding: None }) };
    let sliding = all.object("sliding_attention")?;
    Ok(Rotation { full: all.object("full_attention")?.or(Some(all)), sliding })
}

/// How many numbers of a head are rotated.
pub(super) fn dimensions(config: &Config) -> Result<u32, HuggingFaceError> {
    const SHARE: &[&str] = &["partial_rotary_factor", "rope_pct", "rotary_pct"];
    let within = rotation(config)?.full.map_or(Ok(None), |full| full.optional_number(SHARE))?;
    let share = within.map_or_else(|| config.optional_number(SHARE), |share| Ok(Some(share)))?;
    let share = share.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&share) {
        return Err(config.unsupported(SHARE[0], share, "it must lie between 0 and 1"));
    }
    let size = head_size(config)?;
    if size > LARGEST_HEAD {
        return Err(config.unsupported("head_dim", size, format!("it is at most {LARGEST_HEAD}")));
    }
    Ok((f64::from(size) * share) as u32)
}

/// How many positions the model was made for before it was stretched.
pub(super) fn original_context(config: &Config) -> Result<u32, HuggingFaceError> {
    let within = rotation(config)?.full.map_or(Ok(None), |full| full.optional_size(ORIGINAL))?;
    within.map_or_else(|| config.size(&[ORIGINAL[0], "max_position_embeddings"]), Ok)
}

/// Collects facts and tensors about rotation.
pub(super) fn facts(config: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    let Rotation { full, sliding } = rotation(config)?;
    let base = full.as_ref().map_or(Ok(None), |full| full.optional_number(BASE))?;
    let base = base.map_or_else(|| config.number(BASE), Ok)?;
    facts.set_number("rope.freq_base", base);
    let local = sliding.as_ref().map_or(Ok(None), |sliding| sliding.optional_number(BASE))?;
    let local =
        local.map_or_else(|| config.optional_number(&["rope_local_base_freq"]), |v| Ok(Some(v)))?;
    if let Some(local) = local {
        facts.set_number("rope.freq_base_swa", local);
    }
    if let Some(sliding) = sliding {
        let kind = sliding.optional_str(&["rope_type", "type"])?.unwrap_or("default");
        if kind != "default" {
            return Err(sliding.unsupported("rope_type", kind, "it must be default"));
        }
    }
    full.map_or(Ok(()), |full| scaling(config, &full, base, facts))
}

/// Collects what stretches positions.
fn scaling(
    config: &Config,
    rope: &Config,
    base: f64,
    facts: &mut Facts,
) -> Result<(), HuggingFaceError> {
    match rope.optional_str(&["rope_type", "type"])?.unwrap_or("default") {
        "default" => Ok(()),
        "linear" => {
            facts.set("rope.scaling.type", "linear");
            facts.set_number("rope.scaling.factor", positive(rope, "factor")?);
            Ok(())
        }
        "yarn" => yarn(config, rope, facts),
        "longrope" | "su" => longrope(config, rope, facts),
        "llama3" => llama3(config, rope, base, facts),
        other => {
            let known = "these are: default, linear, yarn, longrope, llama3";
            Err(rope.unsupported("rope_type", other, known))
        }
    }
}

/// A number above zero.
fn positive(rope: &Config, field: &str) -> Result<f64, HuggingFaceError> {
    let number = rope.number(&[field])?;
    if number <= 0.0 {
        return Err(rope.unsupported(field, number, "it must be positive"));
    }
    Ok(number)
}

/// Source: Peng et al. 2023, "`YaRN`: Efficient Context Window Extension of Large Language Models".
fn yarn(config: &Config, rope: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    let factor = positive(rope, "factor")?;
    facts.set("rope.scaling.type", "yarn");
    facts.set_number("rope.scaling.factor", factor);
    facts.set("rope.scaling.original_context_length", original_context(config)?);
    if rope.has("truncate") && !rope.flag("truncate")? {
        return Err(rope.unsupported("truncate", false, "it must be true"));
    }
    for (field, key) in [
        ("extrapolation_factor", "yarn_ext_factor"),
        ("beta_fast", "yarn_beta_fast"),
        ("beta_slow", "yarn_beta_slow"),
    ] {
        if let Some(number) = rope.optional_number(&[field])? {
            facts.set_number(&format!("rope.scaling.{key}"), number);
        }
    }
    let scale = |weight: f64| if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 };
    let weights = (rope.optional_number(&["mscale"])?, rope.optional_number(&["mscale_all_dim"])?);
    let attention = match (rope.optional_number(&["attention_factor", "attn_factor"])?, weights) {
        (Some(attention), _) => Some(attention),
        (None, (Some(one), Some(all))) if one != 0.0 && all != 0.0 => Some(scale(one) / scale(all)),
        _ => None,
    };
    if let Some(attention) = attention {
        facts.set_number("rope.scaling.yarn_attn_factor", attention);
    }
    Ok(())
}

/// Source: Ding et al. 2024, "`LongRoPE`: Extending LLM Context Window Beyond 2 Million Tokens".
fn longrope(config: &Config, rope: &Config, facts: &mut Facts) -> Result<(), HuggingFaceError> {
    let original = original_context(config)?;
    facts.set("rope.scaling.type", "longrope");
    facts.set("rope.scaling.original_context_length", original);
    let context = config.size(&["max_position_embeddings"])?;
    let factor = match rope.optional_number(&["factor"])? {
        Some(factor) => factor,
        None => f64::from(context) / f64::from(original.max(1)),
    };
    let attention = match rope.optional_number(&["attention_factor"])? {
        Some(attention) => attention,
        None if factor <= 1.0 => 1.0,
        None => (1.0 + factor.ln() / f64::from(original).ln()).sqrt(),
    };
    facts.set_number("rope.scaling.attn_factor", attention);
    let expected = dimensions(config)? as usize / 2;
    for (field, name) in
        [("long_factor", "rope_factors_long.weight"), ("short_factor", "rope_factors_short.weight")]
    {
        let list = rope.optional_numbers(field)?.ok_or_else(|| rope.missing(&[field]))?;
        if list.len() != expected {
            let remedy = format!("{expected} pairs of numbers are rotated");
            return Err(rope.unsupported(field, format!("{} long", list.len()), remedy));
        }
        facts.tensor(name, list.into_iter().map(|factor| factor as f32).collect());
    }
    Ok(())
}

/// A factor for each frequency: 1 for short waves, `factor` for long ones, between them a blend.
///
/// Source: Llama 3.1's `apply_scaling`.
fn llama3(
    config: &Config,
    rope: &Config,
    base: f64,
    facts: &mut Facts,
) -> Result<(), HuggingFaceError> {
    let factor = positive(rope, "factor")?;
    let low = positive(rope, "low_freq_factor")?;
    let high = positive(rope, "high_freq_factor")?;
    let original = f64::from(original_context(config)?);
    let n = dimensions(config)?;
    let stretch = |pair: u32| {
        let frequency = base.powf(-f64::from(2 * pair) / f64::from(n));
        let wave = std::f64::consts::TAU / frequency;
        if wave < original / high {
            1.0
        } else if wave > original / low {
            factor
        } else {
            let smooth = (original / wave - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    facts.tensor("rope_freqs.weight", (0..n / 2).map(|pair| stretch(pair) as f32).collect());
    Ok(())
}
