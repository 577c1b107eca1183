//! Pictures of a state: taken while it changes, and turned into a state again.

mod builder;
mod old_values;
mod view;

pub use builder::{BuildError, Builder};
pub(crate) use old_values::{OldValues, Original};
pub use view::{View, ViewLost};

#[cfg(test)]
mod tests;
