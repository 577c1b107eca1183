use core::fmt;

/// Why bytes are not what they should be. The fault is always the sender's or the disk's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The input ends within a field.
    Truncated {
        /// Bytes that the field needs.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// A length is negative, other than -1 for null, or above the limit.
    UnreasonableLength {
        /// The length as it stands in the input.
        length: i32,
        /// The greatest length that is accepted.
        max: usize,
    },
    /// A field is null where the record does not allow it.
    Null {
        /// Record and field.
        field: &'static str,
    },
    /// A number names none of the types that may stand here.
    UnknownType {
        /// What the number should have named.
        what: &'static str,
        /// The number.
        value: i32,
    },
    /// A multi holds both reads and writes.
    MixedMulti,
    /// A create within a multi has flags that name no create mode.
    InvalidCreateMode {
        /// The flags.
        flags: i32,
    },
    /// A multi has more operations than allowed.
    TooManyOperations {
        /// The greatest number that is accepted.
        max: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needed, remaining } => {
                write!(f, "input ends within a field: {needed} bytes needed, {remaining} left")
            }
            Self::UnreasonableLength { length, max } => {
                write!(f, "unreasonable length {length}, at most {max} is accepted")
            }
            Self::Null { field } => write!(f, "{field} is null"),
            Self::UnknownType { what, value } => write!(f, "{value} is not the type of a {what}"),
            Self::MixedMulti => write!(f, "reads and writes in one multi"),
            Self::InvalidCreateMode { flags } => write!(f, "{flags} is not a create mode"),
            Self::TooManyOperations { max } => write!(f, "more than {max} operations in one multi"),
        }
    }
}

impl core::error::Error for DecodeError {}
