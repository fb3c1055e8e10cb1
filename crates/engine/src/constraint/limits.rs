//! How much work a grammar may cause.

use llguidance::api::ParserLimits;

/// Limits on the size of grammars and on the work of following them.
///
/// A grammar is a program that a stranger may have written: without limits a line
/// of it can ask for hours of work. The defaults let real schemas of some thousand
/// lines through; a token then costs at most some tens of milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest text of a grammar, in bytes.
    pub text_bytes: usize,
    /// How deep the parts of a JSON schema may nest.
    pub schema_depth: usize,
    /// How many schemas a JSON schema may consist of.
    pub schema_nodes: usize,
    /// Largest `minItems`, `maxItems`, `minProperties` or `maxProperties`.
    pub schema_items: u64,
    /// Largest `minLength` or `maxLength`.
    pub schema_length: u64,
    /// Largest regular expression, in characters after `{n,m}` is written out.
    pub regex_size: u64,
    /// Largest grammar, in symbols.
    pub grammar_symbols: usize,
    /// Work for the lexer while the grammar is made.
    pub start_fuel: u64,
    /// Work for the lexer at each token.
    pub step_fuel: u64,
    /// Items of the parser at each token.
    pub step_items: usize,
    /// States of the lexer over the whole answer; one takes one or two kilobytes.
    pub lexer_states: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 256 * 1024,
            schema_depth: 64,
            schema_nodes: 10_000,
            schema_items: 1_000,
            schema_length: 10_000,
            regex_size: 20_000,
            grammar_symbols: 500_000,
            start_fuel: 1_000_000,
            step_fuel: 200_000,
            step_items: 50_000,
            lexer_states: 50_000,
        }
    }
}

impl Limits {
    /// The same limits in the library's terms.
    pub(super) fn parser_limits(&self) -> ParserLimits {
        ParserLimits {
            initial_lexer_fuel: self.start_fuel,
            step_lexer_fuel: self.step_fuel,
            step_max_items: self.step_items,
            max_lexer_states: self.lexer_states,
            max_grammar_size: self.grammar_symbols,
            // Its messages would hold the whole state of the parser.
            verbose_errors: false,
            ..ParserLimits::default()
        }
    }
}
