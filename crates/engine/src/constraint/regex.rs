//! Checks of regular expressions, so that faults can be shown where they are.
//!
//! The library that follows the expression accepts the syntax of the `regex` crate
//! without word boundaries and without anchors inside. It reports faults in a text
//! that it has rewritten; here they are found in the text as the person wrote it.

use regex_syntax::ast::{self, Ast, RepetitionKind, RepetitionRange};

use super::error::{ConstraintError, syntax_error};
use super::limits::Limits;

/// What the text is called in errors.
const WHAT: &str = "regular expression";
/// How deep groups may nest.
const MAX_NESTING: u32 = 100;

/// Refuses expressions that cannot be followed, with the place of the fault.
pub(super) fn check_regex(text: &str, limits: &Limits) -> Result<(), ConstraintError> {
    if text.len() > limits.text_bytes {
        let (got, limit) = (text.len(), limits.text_bytes);
        return Err(ConstraintError::TooLong { what: WHAT, got, limit });
    }
    let ast = ast::parse::ParserBuilder::new()
        .nest_limit(MAX_NESTING)
        .build()
        .parse(text)
        .map_err(|fault| at(text, fault.span(), fault.kind().to_string()))?;
    let check = Check { text, limit: limits.regex_size };
    check.size(&ast)?;
    check.supported(&ast, true, true)?;
    regex_syntax::hir::translate::Translator::new()
        .translate(text, &ast)
        .map_err(|fault| at(text, fault.span(), fault.kind().to_string()))?;
    Ok(())
}

fn at(text: &str, span: &ast::Span, message: String) -> ConstraintError {
    syntax_error(WHAT, text, span.start.offset, span.end.offset, message)
}

struct Check<'a> {
    text: &'a str,
    limit: u64,
}

impl Check<'_> {
    /// The number of characters and classes once repetitions are written out.
    fn size(&self, ast: &Ast) -> Result<u64, ConstraintError> {
        let size = match ast {
            Ast::Repetition(repetition) => {
                let once = self.size(&repetition.ast)?.max(1);
                once.saturating_mul(written_out(&repetition.op.kind))
            }
            Ast::Group(group) => self.size(&group.ast)?,
            Ast::Alternation(alternation) => self.sum(&alternation.asts)?,
            Ast::Concat(concat) => self.sum(&concat.asts)?,
            Ast::Empty(_) | Ast::Flags(_) | Ast::Assertion(_) => 0,
            Ast::Literal(_)
            | Ast::Dot(_)
            | Ast::ClassUnicode(_)
            | Ast::ClassPerl(_)
            | Ast::ClassBracketed(_) => 1,
        };
        if size <= self.limit {
            return Ok(size);
        }
        let message = format!(
            "this has {size} characters when its repetitions are written out, \
             but the limit is {}",
            self.limit
        );
        Err(at(self.text, ast.span(), message))
    }

    fn sum(&self, parts: &[Ast]) -> Result<u64, ConstraintError> {
        parts.iter().try_fold(0_u64, |sum, part| Ok(sum.saturating_add(self.size(part)?)))
    }

    /// Refuses what cannot be followed; `starts` and `ends` say whether the part is at
    /// the beginning and at the end of the whole.
    fn supported(&self, ast: &Ast, starts: bool, ends: bool) -> Result<(), ConstraintError> {
        match ast {
            Ast::Assertion(assertion) => self.anchor(assertion, starts, ends),
            Ast::Repetition(repetition) => self.supported(&repetition.ast, false, false),
            Ast::Group(group) => {
                if let ast::GroupKind::CaptureName { name, .. } = &group.kind
                    && name.name == "stop"
                {
                    let message = "the group name `stop` is reserved: choose another";
                    return Err(at(self.text, &name.span, message.into()));
                }
                self.supported(&group.ast, starts, ends)
            }
            Ast::Alternation(alternation) => {
                alternation.asts.iter().try_for_each(|part| self.supported(part, starts, ends))
            }
            Ast::Concat(concat) => {
                let is_anchor = |part: &Ast| matches!(part, Ast::Assertion(_));
                let first = concat.asts.iter().position(|p| !is_anchor(p)).unwrap_or(usize::MAX);
                let last = concat.asts.iter().rposition(|p| !is_anchor(p)).unwrap_or(0);
                concat.asts.iter().enumerate().try_for_each(|(index, part)| {
                    self.supported(part, starts && index <= first, ends && index >= last)
                })
            }
            _ => Ok(()),
        }
    }

    fn anchor(
        &self,
        assertion: &ast::Assertion,
        starts: bool,
        ends: bool,
    ) -> Result<(), ConstraintError> {
        use ast::AssertionKind::{EndLine, EndText, StartLine, StartText};
        let message = match assertion.kind {
            StartLine | StartText if starts => return Ok(()),
            EndLine | EndText if ends => return Ok(()),
            StartLine | StartText => {
                "the beginning can only be asked for at the beginning; \
                 the whole answer has to match anyway"
            }
            EndLine | EndText => {
                "the end can only be asked for at the end; \
                 the whole answer has to match anyway"
            }
            _ => "word boundaries cannot be followed: write the characters that may stand there",
        };
        Err(at(self.text, &assertion.span, message.into()))
    }
}

/// How often the repeated part is written in the expression that is followed.
fn written_out(kind: &RepetitionKind) -> u64 {
    match kind {
        RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => 1,
        RepetitionKind::Range(range) => match range {
            RepetitionRange::Exactly(n) | RepetitionRange::AtLeast(n) => u64::from(*n).max(1),
            RepetitionRange::Bounded(_, most) => u64::from(*most).max(1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        check_regex(text, &Limits::default()).unwrap_err().to_string()
    }

    #[test]
    fn ordinary_expressions_are_fine() {
        for text in [
            "",
            "[a-z]+(, [a-z]+)*",
            r"^\d{4}-\d{2}-\d{2}$",
            "(?i)yes|no",
            "^a|b$",
            "(^a|^b)c$",
            r"\p{Greek}+/\s",
            "a{0}",
            "(?x) a  # a comment\n b",
        ] {
            check_regex(text, &Limits::default()).unwrap_or_else(|fault| panic!("{fault}"));
        }
    }

    #[test]
    fn faults_are_shown_where_they_are() {
        assert_eq!(
            fault("ab(c"),
            "regular expression, line 1, column 3: unclosed group\n  ab(c\n    ^"
        );
        assert_eq!(
            fault("a(?=b)"),
            "regular expression, line 1, column 2: look-around, including look-ahead and \
             look-behind, is not supported\n  a(?=b)\n   ^^^"
        );
        assert_eq!(
            fault(r"(a)\1"),
            "regular expression, line 1, column 4: backreferences are not supported\n  \
             (a)\\1\n     ^^"
        );
        assert_eq!(
            fault("one\n two\\b"),
            "regular expression, line 2, column 5: word boundaries cannot be followed: write \
             the characters that may stand there\n   two\\b\n      ^^"
        );
        assert!(fault("a^b").contains("column 2: the beginning can only be asked for"));
        assert!(fault("(a$)+").contains("column 3: the end can only be asked for"));
        assert!(fault("a$b").contains("column 2: the end can only be asked for"));
        assert!(fault(r"\p{Klingon}").contains("column 1: Unicode property not found"));
        assert!(fault("(?P<stop>a)").contains("column 5: the group name `stop` is reserved"));
        assert!(fault("a{2,1}").contains("column 2: invalid repetition count range"));
    }

    #[test]
    fn costly_expressions_are_refused_with_the_costly_part() {
        assert_eq!(
            fault("x(a{300}){300}y"),
            "regular expression, line 1, column 2: this has 90000 characters when its \
             repetitions are written out, but the limit is 20000\n  x(a{300}){300}y\n   \
             ^^^^^^^^^^^^^"
        );
        assert!(fault(&"(".repeat(200)).contains("unclosed group"));
        let deep = "(".repeat(200) + &")".repeat(200);
        assert!(fault(&deep).contains("exceed the maximum number"), "{}", fault(&deep));
        assert!(fault("((((a{4000000000}){4000000000}){4000000000})*){9}").contains("column"));
        assert!(fault(&"a".repeat(300_000)).contains("has 300000 bytes"));
    }
}
