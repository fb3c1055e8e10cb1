//! Which language an answer is in.
//!
//! By whatlang (letters and their trigrams): a few hundred kilobytes, instant, the same everywhere.
//! lingua is better on single words, but brings a hundred megabytes of models; answers are rarely
//! single words. Below some twenty characters no method is sure, and a text in two languages counts
//! as the one that prevails. Code blocks are left out.

use std::sync::Arc;

use whatlang::{Detector, Lang};

use super::{Answered, Check, Kind, OptionFault, Options, Outcome, Tools, fence};
use crate::experiment::suggest;
use crate::outcome::Scale;

/// Passes if the answer is in a language.
pub(super) const KIND: Kind = Kind {
    name: "language",
    main_key: Some("is"),
    about: "is in this language (English, en or eng); `among` names all that are possible",
    make,
};

/// The two letters of ISO 639-1 for whatlang's three of ISO 639-3.
const TWO_LETTERS: [(&str, &str); 70] = [
    ("epo", "eo"),
    ("eng", "en"),
    ("rus", "ru"),
    ("cmn", "zh"),
    ("spa", "es"),
    ("por", "pt"),
    ("ita", "it"),
    ("ben", "bn"),
    ("fra", "fr"),
    ("deu", "de"),
    ("ukr", "uk"),
    ("kat", "ka"),
    ("ara", "ar"),
    ("hin", "hi"),
    ("jpn", "ja"),
    ("heb", "he"),
    ("yid", "yi"),
    ("pol", "pl"),
    ("amh", "am"),
    ("jav", "jv"),
    ("kor", "ko"),
    ("nob", "nb"),
    ("dan", "da"),
    ("swe", "sv"),
    ("fin", "fi"),
    ("tur", "tr"),
    ("nld", "nl"),
    ("hun", "hu"),
    ("ces", "cs"),
    ("ell", "el"),
    ("bul", "bg"),
    ("bel", "be"),
    ("mar", "mr"),
    ("kan", "kn"),
    ("ron", "ro"),
    ("slv", "sl"),
    ("hrv", "hr"),
    ("srp", "sr"),
    ("mkd", "mk"),
    ("lit", "lt"),
    ("lav", "lv"),
    ("est", "et"),
    ("tam", "ta"),
    ("vie", "vi"),
    ("urd", "ur"),
    ("tha", "th"),
    ("guj", "gu"),
    ("uzb", "uz"),
    ("pan", "pa"),
    ("aze", "az"),
    ("ind", "id"),
    ("tel", "te"),
    ("pes", "fa"),
    ("mal", "ml"),
    ("ori", "or"),
    ("mya", "my"),
    ("nep", "ne"),
    ("sin", "si"),
    ("khm", "km"),
    ("tuk", "tk"),
    ("aka", "ak"),
    ("zul", "zu"),
    ("sna", "sn"),
    ("afr", "af"),
    ("lat", "la"),
    ("slk", "sk"),
    ("cat", "ca"),
    ("tgl", "tl"),
    ("hye", "hy"),
    ("cym", "cy"),
];

struct Language {
    wanted: Lang,
    detector: Detector,
}

fn make(options: &mut Options) -> Result<Arc<dyn Check>, OptionFault> {
    let wanted = named("is", &options.required_text("is")?)?;
    let detector = match options.texts("among")? {
        None => Detector::new(),
        Some(names) => {
            let mut among =
                names.iter().map(|name| named("among", name)).collect::<Result<Vec<_>, _>>()?;
            among.push(wanted);
            Detector::with_allowlist(among)
        }
    };
    Ok(Arc::new(Language { wanted, detector }))
}

/// The language called so, in English, in itself, or by its code.
fn named(key: &'static str, name: &str) -> Result<Lang, OptionFault> {
    let folded = name.trim().to_lowercase();
    let folded = match folded.as_str() {
        "chinese" => "mandarin",
        "farsi" => "persian",
        "norwegian" | "no" => "bokmal",
        other => other,
    };
    let two = TWO_LETTERS.iter().find(|(_, two)| *two == folded).map(|(three, _)| *three);
    let is_it = |lang: &&Lang| {
        lang.code() == two.unwrap_or(folded)
            || lang.eng_name().to_lowercase() == folded
            || lang.name().to_lowercase() == folded
    };
    if let Some(lang) = Lang::all().iter().find(is_it) {
        return Ok(*lang);
    }
    let names: Vec<&str> = Lang::all().iter().map(|lang| lang.eng_name()).collect();
    let fault = OptionFault::new(Some(key), format!("no language is known as {name:?}"));
    let capital = folded[..].chars().next().map(|c| c.to_uppercase().collect::<String>());
    let shown = capital.map(|first| first + &folded.chars().skip(1).collect::<String>());
    Err(fault.hint(match shown.as_deref().and_then(|shown| suggest(shown, &names)) {
        Some(near) => format!("did you mean {near}?"),
        None => "write its English name or its code, such as English, en or eng".to_owned(),
    }))
}

impl Check for Language {
    fn scale(&self) -> Scale {
        Scale::Binary
    }

    fn check(&self, answered: &Answered, _: &mut dyn Tools) -> Result<Outcome, String> {
        let prose = fence::without(&answered.answer.text);
        Ok(match self.detector.detect_lang(&prose) {
            Some(lang) if lang == self.wanted => Outcome::passed(),
            Some(lang) => Outcome::failed(format!("it looks like {}", lang.eng_name())),
            None => Outcome::failed("no language can be made out"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{fault, passes};
    use super::*;

    const GERMAN: &str = "Der Zug kommt heute leider eine halbe Stunde später an als geplant.";
    const ENGLISH: &str = "The train will unfortunately arrive half an hour later than planned.";
    const CHINESE: &str = "火车今天会比计划晚到半个小时，请大家耐心等待。";

    #[test]
    fn languages_are_told_apart() {
        for (name, text) in [("de", GERMAN), ("English", ENGLISH), ("zh", CHINESE), ("deu", GERMAN)]
        {
            assert!(passes("language", json!({"is": name}), text), "{name}");
        }
        assert!(!passes("language", json!({"is": "en"}), GERMAN));
        assert!(!passes("language", json!({"is": "en"}), "42 !"));
        assert!(!passes("language", json!({"is": "en"}), ""));
    }

    #[test]
    fn code_does_not_count_and_choices_can_be_few() {
        let text = format!("{GERMAN}\n```\nfor the train in the station of the city\n```\n");
        assert!(passes("language", json!({"is": "German"}), &text));
        assert!(passes("language", json!({"is": "de", "among": ["en", "fr"]}), "Guten Morgen"));
    }

    #[test]
    fn every_language_has_its_codes_and_wrong_names_are_named() {
        for lang in Lang::all() {
            assert_eq!(named("is", lang.code()), Ok(*lang));
            assert!(TWO_LETTERS.iter().any(|(three, _)| *three == lang.code()), "{lang:?}");
        }
        let wrong = fault("language", json!({"is": "germann"}));
        assert_eq!(wrong.hint.as_deref(), Some("did you mean German?"));
        assert!(fault("language", json!({"is": "é"})).hint.is_some());
    }
}
