//! What a question may do: read.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// Pragmas that describe tables and change nothing. What some take as an argument is a name.
const PRAGMAS: [&str; 10] = [
    // The index of words asks for this one itself, to see whether the file has changed.
    "data_version",
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "function_list",
    "compile_options",
];

/// Functions that reach beyond the file or into the program.
const FORBIDDEN: [&str; 3] = ["load_extension", "fts3_tokenizer", "fts5"];

/// Allows what only reads. Everything that is not known to be harmless is refused.
pub(super) fn authorize(context: AuthContext<'_>) -> Authorization {
    let is_among =
        |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let is_allowed = match context.action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Read { .. } => true,
        AuthAction::Function { function_name } => !is_among(&FORBIDDEN, function_name),
        AuthAction::Pragma { pragma_name, .. } => is_among(&PRAGMAS, pragma_name),
        _ => false,
    };
    if is_allowed { Authorization::Allow } else { Authorization::Deny }
}
