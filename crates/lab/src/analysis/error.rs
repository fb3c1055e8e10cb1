//! Why observations cannot be analysed.

/// A question or an observation that no analysis can start from.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The two arms of the question are the same one.
    #[error("arm {0} is compared with itself")]
    SameArm(usize),
    /// The chance of a miss is not between 0 and 1/2.
    #[error("alpha is {0}, not between 0 and 0.5")]
    Alpha(f64),
    /// The margin is negative or not a number.
    #[error("the margin is {0}, not a number from 0 up")]
    Margin(f64),
    /// The bounds of the scale are in the wrong order or not numbers.
    #[error("the scale's bounds {low} and {high} are not two rising numbers")]
    Bounds {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// Looking early needs bounds, and the scale has none.
    #[error("looking early needs a scale with both bounds")]
    Unbounded,
    /// No input has the answers of both arms.
    #[error("no input has all answers of both variants")]
    NoPairs {
        /// The arm in question.
        treatment: usize,
        /// The arm that it is compared with.
        control: usize,
    },
    /// An observation lies outside its scale.
    #[error("input {input} has the value {value}, which is outside its scale")]
    Value {
        /// The input that was answered.
        input: usize,
        /// What was observed.
        value: f64,
    },
    /// An input is said to belong to two groups.
    #[error("input {input} belongs to two groups, {first} and {second}")]
    Group {
        /// The input.
        input: usize,
        /// The group that was read first.
        first: usize,
        /// The other group.
        second: usize,
    },
}
