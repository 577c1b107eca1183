//! What we tell clients and monitors about our version.
//!
//! The shape is the reference's, since clients parse it; behind the release that we speak stands who we are.

/// The release whose behaviour we have.
pub const RELEASE: &str = "3.9.5";

/// `3.9.5-<who>`, in the place of the reference's commit hash.
pub const REVISION: &str = concat!("3.9.5-rookeeper-", env!("CARGO_PKG_VERSION"));

/// The moment of the release; a build may name its own.
const BUILT_ON: &str = match option_env!("ROOKEEPER_BUILT_ON") {
    Some(moment) => moment,
    None => "2026-11-21 00:00 UTC",
};

/// The line of `srvr`, `mntr` and `envi`.
// zk: Version.getFullVersion
#[must_use]
pub fn full() -> String {
    format!("{REVISION}, built on {BUILT_ON}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn has_the_shape_that_clients_parse() {
        let full = super::full();
        let (version, rest) = full.split_once('-').unwrap();
        assert_eq!(version, super::RELEASE);
        assert!(!rest.split(',').next().unwrap().contains(' '), "{full}");
        let built = full.split_once(", built on ").unwrap().1;
        assert!(built.ends_with(" UTC") && built.len() == "2026-11-21 00:00 UTC".len(), "{full}");
    }
}
