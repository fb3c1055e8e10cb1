//! Puts the calls that [`budget`] needs into a template.

use minijinja::machinery::{Instruction, Instructions, Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::error::TemplateError;
use super::{budget, namespace};

/// Words and signs that one tag may have. Compiling takes time with their square, and stack with how
/// deep they lie in each other. The longest known tags have about a hundred.
const MAX_PARTS: usize = 2000;

/// The instructions with operators replaced and values weighed.
///
/// # Errors
/// If comparisons are chained (`a < b < c`): these cannot be replaced, and no template in use has
/// one.
pub(super) fn metered<'a>(old: &Instructions<'a>) -> Result<Instructions<'a>, TemplateError> {
    let mut groups = Vec::new();
    // Where an instruction will be, for those that jump to it.
    let mut places = Vec::new();
    let mut n = 0;
    while let Some(instruction) = old.get(groups.len() as u32) {
        let line = old.get_line(groups.len() as u32).unwrap_or(1);
        let group = replaced(instruction, line)?;
        places.push(n);
        n += group.len() as u32;
        groups.push((line, group));
    }
    places.push(n);
    let mut new = Instructions::new(old.name(), old.source());
    for (line, group) in groups {
        for instruction in group {
            new.add_with_line(moved(instruction, &places), line as u16);
        }
    }
    Ok(new)
}

/// What stands for an instruction.
fn replaced<'a>(
    instruction: &Instruction<'a>,
    line: usize,
) -> Result<Vec<Instruction<'a>>, TemplateError> {
    let call = |name, n| Instruction::CallFunction(name, Some(n));
    let weighed = |instruction| vec![instruction, call(budget::WEIGHED, 1)];
    Ok(match instruction {
        Instruction::Add => weighed(call("+", 2)),
        Instruction::Mul => weighed(call("*", 2)),
        Instruction::Slice => weighed(call("[:]", 4)),
        Instruction::In => vec![call("in ", 2)],
        Instruction::Eq => vec![call("==", 2)],
        Instruction::Ne => vec![call("!=", 2)],
        Instruction::Lt => vec![call("<", 2)],
        Instruction::Lte => vec![call("<=", 2)],
        Instruction::Gt => vec![call(">", 2)],
        Instruction::Gte => vec![call(">=", 2)],
        Instruction::CompareAndPreserve(_) => {
            let reason = "a chained comparison (`a < b < c`) is not taken; join two by `and`";
            return Err(TemplateError::Failed { line, reason: reason.to_owned() });
        }
        Instruction::GetItem => vec![call(budget::KEY, 1), Instruction::GetItem],
        Instruction::SetAttr(name) => vec![
            Instruction::LoadConst((*name).into()),
            call(namespace::ASSIGN, 3),
            Instruction::DiscardTop,
        ],
        Instruction::BuildList(_)
        | Instruction::BuildTuple(_)
        | Instruction::BuildMap(_)
        | Instruction::ApplyFilter(..)
        | Instruction::CallFunction(..)
        | Instruction::CallMethod(..)
        | Instruction::CallObject(_) => weighed(instruction.clone()),
        _ => vec![instruction.clone()],
    })
}

/// An instruction that jumps to where things are now.
fn moved<'a>(instruction: Instruction<'a>, places: &[u32]) -> Instruction<'a> {
    let place = |at: u32| places.get(at as usize).copied().unwrap_or(at);
    match instruction {
        Instruction::Iterate(at) => Instruction::Iterate(place(at)),
        Instruction::Jump(at) => Instruction::Jump(place(at)),
        Instruction::JumpIfFalse(at) => Instruction::JumpIfFalse(place(at)),
        Instruction::JumpIfFalseOrPop(at) => Instruction::JumpIfFalseOrPop(place(at)),
        Instruction::JumpIfTrueOrPop(at) => Instruction::JumpIfTrueOrPop(place(at)),
        Instruction::BuildMacro(name, at, flags) => Instruction::BuildMacro(name, place(at), flags),
        other => other,
    }
}

/// Writes a filter behind operands of `+` and `*` that may be constants, so that nothing is computed
/// while compiling.
///
/// # Errors
/// If a tag is too long.
pub(super) fn unfolded(source: &str, syntax: &SyntaxConfig) -> Result<String, TemplateError> {
    let mut out = String::with_capacity(source.len());
    let mut copied = 0;
    let mut may_be_constant = false;
    let mut n_parts = 0;
    // What is no token is reported by whoever compiles the template.
    for (token, span) in tokenize(source, false, syntax.clone()).map_while(Result::ok) {
        let begins = matches!(token, Token::BlockStart | Token::VariableStart);
        n_parts = if begins { 0 } else { n_parts + 1 };
        if n_parts > MAX_PARTS {
            let reason = format!("a tag of more than {MAX_PARTS} words and signs");
            return Err(TemplateError::Failed { line: span.start_line.into(), reason });
        }
        if may_be_constant && matches!(token, Token::Plus | Token::Mul) {
            let at = span.start_offset as usize;
            out.push_str(&source[copied..at]);
            out.extend(["|", budget::SAME, " "]);
            copied = at;
        }
        may_be_constant = matches!(
            token,
            Token::Str(_)
                | Token::String(_)
                | Token::Int(_)
                | Token::Int128(_)
                | Token::Float(_)
                | Token::BracketClose
                | Token::ParenClose
                | Token::BraceClose
        );
    }
    Ok(out + &source[copied..])
}
