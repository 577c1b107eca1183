//! Which release this is, and which one it stands in for.

/// The release of ZooKeeper whose place this program takes.
pub(crate) const REFERENCE: &str = "3.9.5";
/// This program's own release.
pub(crate) const OWN: &str = env!("CARGO_PKG_VERSION");
/// Both, in the shape that scripts cut the reference's from.
pub(crate) const FULL: &str = concat!("3.9.5-rookeeper-", env!("CARGO_PKG_VERSION"));
