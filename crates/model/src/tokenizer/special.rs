//! Tokens with a task: where a text begins and ends, what ends an answer, what fills a gap in code.
//!
//! A file names some of these by id and leaves others to be known by their text. The texts are
//! those that llama.cpp knows, so that both stop at the same tokens. One thing differs: the tokens
//! of gpt-oss that frame its messages (`<|channel|>` and the like) stay control tokens here, where
//! llama.cpp lets any text become them.

use super::vocab::TokenKind;

/// The tokens with a task, by id, where the model has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialIds {
    /// Begins a text.
    pub bos: Option<u32>,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Ends a turn of a conversation.
    pub eot: Option<u32>,
    /// Ends a message that a turn goes on after, such as a call of a tool.
    pub eom: Option<u32>,
    /// Stands for text that no other token can say.
    pub unk: Option<u32>,
    /// Parts two texts; ends a text of an encoder.
    pub sep: Option<u32>,
    /// Fills a row of a batch.
    pub pad: Option<u32>,
    /// Begins a text of an encoder.
    pub cls: Option<u32>,
    /// Stands for a word that is to be guessed.
    pub mask: Option<u32>,
    /// Before the code that precedes a gap.
    pub fim_prefix: Option<u32>,
    /// Before the code that follows a gap.
    pub fim_suffix: Option<u32>,
    /// Before the code that fills the gap.
    pub fim_middle: Option<u32>,
    /// Fills a row where there is no gap.
    pub fim_pad: Option<u32>,
    /// Before the name of a repository.
    pub fim_repo: Option<u32>,
    /// Before the name of a file.
    pub fim_file: Option<u32>,
}

/// A task that is known by a token's text, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Eot,
    Eom,
    FimPrefix,
    FimSuffix,
    FimMiddle,
    FimPad,
    FimRepo,
    FimFile,
    /// Ends an answer and nothing more.
    End,
}

/// The texts and their tasks. Of several tokens with one task the first named here has it.
const NAMED: &[(&str, Task)] = &[
    ("<|eot_id|>", Task::Eot),
    ("<|im_end|>", Task::Eot),
    ("<|end|>", Task::Eot),
    ("<end_of_turn>", Task::Eot),
    ("<|end_of_text|>", Task::Eot),
    ("<|endoftext|>", Task::Eot),
    ("<EOT>", Task::Eot),
    ("_<EOT>", Task::Eot),
    ("[EOT]", Task::Eot),
    ("<｜end▁of▁sentence｜>", Task::Eot),
    ("<end_of_utterance>", Task::Eot),
    ("<|eom_id|>", Task::Eom),
    ("<|fim_prefix|>", Task::FimPrefix),
    ("<fim-prefix>", Task::FimPrefix),
    ("<fim_prefix>", Task::FimPrefix),
    ("<｜fim▁begin｜>", Task::FimPrefix),
    ("<PRE>", Task::FimPrefix),
    ("▁<PRE>", Task::FimPrefix),
    ("<|code_prefix|>", Task::FimPrefix),
    ("<|prefix|>", Task::FimPrefix),
    ("<|fim_suffix|>", Task::FimSuffix),
    ("<fim-suffix>", Task::FimSuffix),
    ("<fim_suffix>", Task::FimSuffix),
    ("<｜fim▁hole｜>", Task::FimSuffix),
    ("<SUF>", Task::FimSuffix),
    ("▁<SUF>", Task::FimSuffix),
    ("<|code_suffix|>", Task::FimSuffix),
    ("<|suffix|>", Task::FimSuffix),
    ("<|fim_middle|>", Task::FimMiddle),
    ("<fim-middle>", Task::FimMiddle),
    ("<fim_middle>", Task::FimMiddle),
    ("<｜fim▁end｜>", Task::FimMiddle),
    ("<MID>", Task::FimMiddle),
    ("▁<MID>", Task::FimMiddle),
    ("<|code_middle|>", Task::FimMiddle),
    ("<|middle|>", Task::FimMiddle),
    ("<|fim_pad|>", Task::FimPad),
    ("<fim-pad>", Task::FimPad),
    ("<fim_pad>", Task::FimPad),
    ("<PAD>", Task::FimPad),
    ("[PAD]", Task::FimPad),
    ("<|fim_repo|>", Task::FimRepo),
    ("<|repo_name|>", Task::FimRepo),
    ("<fim-repo>", Task::FimRepo),
    ("<REPO>", Task::FimRepo),
    ("<reponame>", Task::FimRepo),
    ("<|file_sep|>", Task::FimFile),
    ("<|return|>", Task::End),
    ("<|call|>", Task::End),
    ("<|calls|>", Task::End),
    ("<|flush|>", Task::End),
    ("</s>", Task::End),
    ("[EOS]", Task::End),
    ("<eos>", Task::End),
    ("<turn|>", Task::End),
    ("<|tool_response>", Task::End),
    ("[e~[", Task::End),
];

/// The tokens whose texts are known, found while the vocabulary is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Position in [`NAMED`] and id.
    found: Vec<(usize, u32)>,
}

impl Known {
    /// Looks at a token and makes it a control token if its text has a task.
    pub(crate) fn look_at(&mut self, id: u32, text: &str, kind: &mut TokenKind) {
        let begins = matches!(text.as_bytes().first(), Some(b'<' | b'[' | b'_' | 0xe2));
        if !begins || text.len() > 32 {
            return;
        }
        let Some(place) = NAMED.iter().position(|(name, _)| *name == text) else { return };
        self.found.push((place, id));
        *kind = TokenKind::Control;
    }

    /// The preferred token with this task.
    fn first(&self, task: Task) -> Option<u32> {
        let with_task = self.found.iter().filter(|(place, _)| NAMED[*place].1 == task);
        with_task.min().map(|&(_, id)| id)
    }

    /// The token with this text.
    fn named(&self, text: &str) -> Option<u32> {
        self.found.iter().find(|(place, _)| NAMED[*place].0 == text).map(|&(_, id)| id)
    }

    /// Fills what `ids` does not say, and returns the tokens that end an answer, in order.
    ///
    /// `kinds` changes where a text that looks like the end of an answer is none.
    pub(crate) fn settle(&self, ids: &mut SpecialIds, kinds: &mut [TokenKind]) -> Vec<u32> {
        for (slot, task) in [
            (&mut ids.eot, Task::Eot),
            (&mut ids.eom, Task::Eom),
            (&mut ids.fim_prefix, Task::FimPrefix),
            (&mut ids.fim_suffix, Task::FimSuffix),
            (&mut ids.fim_middle, Task::FimMiddle),
            (&mut ids.fim_pad, Task::FimPad),
            (&mut ids.fim_repo, Task::FimRepo),
            (&mut ids.fim_file, Task::FimFile),
        ] {
            *slot = slot.or_else(|| self.first(task));
        }
        let by_text = self
            .found
            .iter()
            .filter(|(place, _)| matches!(NAMED[*place].1, Task::Eot | Task::Eom | Task::End));
        let mut ends: Vec<u32> = by_text.map(|&(_, id)| id).collect();
        ends.extend([ids.fim_pad, ids.fim_repo, ids.fim_file].into_iter().flatten());
        ends.extend([ids.eos, ids.eot, ids.eom].into_iter().flatten());
        let mut not_an_end = |text: &str, kind: TokenKind| {
            let Some(id) = self.named(text) else { return };
            ends.retain(|&end| end != id);
            kinds[id as usize] = kind;
        };
        let has = |text: &str| self.named(text).is_some();
        // Harmony and Solar: `<|end|>` ends a message, and the answer goes on.
        if (has("<|return|>") && has("<|call|>")) || (has("<|calls|>") && has("<|flush|>")) {
            not_an_end("<|end|>", TokenKind::Control);
        }
        // Gemma 4: `</s>` is a tag of HTML.
        if has("<|tool_response>") {
            not_an_end("</s>", TokenKind::Normal);
        }
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(texts: &[&str], mut ids: SpecialIds) -> (SpecialIds, Vec<u32>, Vec<TokenKind>) {
        let mut known = Known::default();
        let mut kinds = vec![TokenKind::Normal; texts.len()];
        for (id, text) in (0..).zip(texts) {
            known.look_at(id, text, &mut kinds[id as usize]);
        }
        let ends = known.settle(&mut ids, &mut kinds);
        (ids, ends, kinds)
    }

    #[test]
    fn the_end_of_a_turn_is_known_by_its_text() {
        let (ids, ends, kinds) =
            settle(&["a", "<|im_end|>", "<|endoftext|>"], SpecialIds::default());
        assert_eq!((ids.eot, ends), (Some(1), vec![1, 2]));
        assert_eq!(kinds, [TokenKind::Normal, TokenKind::Control, TokenKind::Control]);
    }

    #[test]
    fn what_the_file_says_goes_before_what_a_text_suggests() {
        let told = SpecialIds { eot: Some(0), eos: Some(3), ..SpecialIds::default() };
        let (ids, ends, _) = settle(&["a", "<|im_end|>", "b", "c"], told);
        assert_eq!((ids.eot, ends), (Some(0), vec![0, 1, 3]));
    }

    #[test]
    fn a_message_of_harmony_ends_without_ending_the_answer() {
        let texts = ["<|end|>", "<|return|>", "<|call|>"];
        let (_, ends, kinds) = settle(&texts, SpecialIds::default());
        assert_eq!(ends, [1, 2]);
        assert_eq!(kinds[0], TokenKind::Control);
        let (_, ends, _) = settle(&["<|end|>"], SpecialIds::default());
        assert_eq!(ends, [0]);
    }

    #[test]
    fn a_tag_of_html_is_text_in_gemma_4_only() {
        let (_, ends, kinds) = settle(&["</s>", "<|tool_response>"], SpecialIds::default());
        assert_eq!((ends, kinds[0]), (vec![1], TokenKind::Normal));
        let (_, ends, kinds) = settle(&["</s>"], SpecialIds::default());
        assert_eq!((ends, kinds[0]), (vec![0], TokenKind::Control));
    }
}
