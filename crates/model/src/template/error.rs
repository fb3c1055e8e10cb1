//! What can be wrong with a template, or with a conversation for it.

/// A conversation that could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no template.
    #[error(
        "the model has no chat template, and its tokens are of no known family; give one with \
         `--template`"
    )]
    Missing,
    /// The template is not Jinja.
    #[error("the chat template, line {line}: {reason}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The template is longer than any template is.
    #[error("the chat template has {len} bytes, more than {max}")]
    TooLong {
        /// Its length.
        len: usize,
        /// The most that is taken.
        max: usize,
    },
    /// The template does not end, or writes too much.
    #[error("the chat template, line {line}: it takes too many steps or too much memory")]
    Endless {
        /// The line where it was stopped, from 1.
        line: usize,
    },
    /// The template says that it does not take this conversation.
    #[error("the model's chat template refuses this conversation: {message}")]
    Refused {
        /// What it says.
        message: String,
        /// The line where it says so, from 1.
        line: usize,
    },
    /// The template does something that cannot be done.
    #[error("the chat template, line {line}: {reason}")]
    Failed {
        /// The line, from 1.
        line: usize,
        /// What went wrong.
        reason: String,
    },
    /// A role is not a plain name.
    #[error("`{role}` is no role: letters, digits, `_` and `-` make one")]
    Role {
        /// The role.
        role: String,
    },
}
