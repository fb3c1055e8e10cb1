//! The words of a text that say what it is about, for tag clouds.
//!
//! Words are in lower case, without those that every text has. Scripts that put no spaces between
//! words (Chinese, Japanese, Thai, ...) are cut into pairs of characters: not always words, but what
//! is written often is seen. Numbers and single letters are left out.

/// The longest word that is one; longer ones are data.
const LONGEST: usize = 30;

/// Words that say nothing of what a text is about, one a line or several: English, German, French,
/// Spanish.
const STOP_WORDS: &str = include_str!("stop_words.txt");

/// Pairs of characters that every Chinese or Japanese text has.
const STOP_PAIRS: &str = "一个 一下 一句 一些 一样 什么 怎么 如何 为什 么是 是什 的是 是的 我们 你们 他们 \
    这个 那个 这些 那些 可以 没有 不是 就是 还是 但是 因为 所以 如果 然后 请用 句话 的话 \
    です ます した して する こと とは ください さい くだ から まで";

/// Whether a script has no spaces between words.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(
        u32::from(c),
        0x0e00..=0x0eff // Thai, Lao
            | 0x1000..=0x109f // Burmese
            | 0x1780..=0x17ff // Khmer
            | 0x3005..=0x3007
            | 0x3041..=0x30ff // Japanese syllables
            | 0x3400..=0x4dbf
            | 0x4e00..=0x9fff // Chinese characters
            | 0xf900..=0xfaff
            | 0x20000..=0x3ffff
    )
}

/// The words of a text, each as often as it is there, in order.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-' | '_');
    for run in text.split(|c: char| !is_inside(c)) {
        // A run may change script: `用Rust写`.
        let chars: Vec<char> = run.chars().collect();
        for part in chars.chunk_by(|&a, &b| is_unspaced(a) == is_unspaced(b)) {
            if is_unspaced(part[0]) {
                pairs(part, &mut words);
            } else {
                words.extend(word(part));
            }
        }
    }
    words
}

fn pairs(characters: &[char], words: &mut Vec<String>) {
    let is_stop = |pair: &str| STOP_PAIRS.split_whitespace().any(|stop| stop == pair);
    // Particles bind words and belong to none of them.
    let parts =
        characters.split(|c| "的了吗呢吧啊和与是在有把被を は が の に で と も へ".contains(*c));
    for part in parts.filter(|part| part.len() > 1) {
        let pair = part.windows(2).map(|pair| pair.iter().collect::<String>());
        words.extend(pair.filter(|pair| !is_stop(pair)));
    }
}

fn word(characters: &[char]) -> Option<String> {
    let text: String = characters.iter().collect();
    let text = text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('’', "'");
    let text = text.strip_suffix("'s").unwrap_or(&text);
    let length = text.chars().count();
    let has_letter = text.chars().any(char::is_alphabetic);
    let is_stop = STOP_WORDS.split_ascii_whitespace().any(|stop| stop == text);
    ((2..=LONGEST).contains(&length) && has_letter && !is_stop).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_is_about_is_left() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words(text), expected, "{text}");
        check("What is the capital of France?", &["capital", "france"]);
        check(
            "The bird's don’t-care well-known re_name 1989 a x",
            &["bird", "don't-care", "well-known", "re_name"],
        );
        check("Wie heißt die Hauptstadt?", &["heißt", "hauptstadt"]);
        check("ÉCOLE à Paris", &["école", "paris"]);
        check("用一句话介绍北京", &["用一", "话介", "介绍", "绍北", "北京"]);
        check("中国的首都是什么", &["中国", "首都"]);
        check("用Rust写程序", &["rust", "写程", "程序"]);
        check("\u{1}\n ---- '' ", &[]);
        check(&"x".repeat(31), &[]);
    }
}
