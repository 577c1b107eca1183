//! The crate table of the design, as data.

/// What one crate is and may use.
pub(super) struct Row {
    /// Name of the folder, and of the crate in code.
    pub(super) name: &'static str,
    /// Whether it is `no_std` and without unsafe code.
    pub(super) pure: bool,
    /// Our crates that it may use.
    pub(super) ours: &'static [&'static str],
    /// Third-party crates that it may use, beside [`EVERYWHERE`].
    pub(super) others: &'static [&'static str],
    /// Our crates that its tests may use besides.
    pub(super) in_tests: &'static [&'static str],
}

/// Third-party crates that every crate may use: `bytes` is part of what `jute` returns.
pub(super) const EVERYWHERE: &[&str] = &["bytes"];

/// Third-party crates that the tests of every crate may use.
pub(super) const IN_TESTS: &[&str] = &["proptest", "tempfile", "tokio", "anyhow"];

/// All crates there may be.
pub(super) const CRATES: &[Row] = &[
    Row { name: "jute", pure: true, ours: &[], others: &[], in_tests: &[] },
    Row { name: "ensemble", pure: true, ours: &["jute"], others: &["nom"], in_tests: &[] },
    Row { name: "election", pure: true, ours: &["jute", "ensemble"], others: &[], in_tests: &[] },
    Row { name: "zab", pure: true, ours: &["jute", "ensemble"], others: &["bytes"], in_tests: &[] },
    Row { name: "tree", pure: true, ours: &["jute"], others: &["crc32fast", "hashbrown"], in_tests: &[] },
    Row {
        name: "pipeline",
        pure: true,
        ours: &["jute", "ensemble", "tree"],
        others: &["sha1", "sha2", "sha3", "md-5", "base64", "hashbrown"],
        in_tests: &[],
    },
    Row {
        name: "storage",
        pure: false,
        ours: &["jute"],
        others: &["simd-adler32", "flate2", "snap", "rustix"],
        in_tests: &[],
    },
    Row {
        name: "replica",
        pure: true,
        ours: &["jute", "ensemble", "election", "zab", "tree", "pipeline"],
        others: &[],
        in_tests: &[],
    },
    Row {
        name: "server",
        pure: false,
        ours: &["jute", "ensemble", "election", "zab", "tree", "pipeline", "storage", "replica"],
        others: &["tokio", "tokio-util", "hashbrown", "anyhow", "tracing", "rustix", "socket2", "serde_json"],
        in_tests: &["client"],
    },
    Row { name: "client", pure: false, ours: &["jute"], others: &["tokio"], in_tests: &["server"] },
    Row {
        name: "rookeeper",
        pure: false,
        ours: &["jute", "ensemble", "server", "client", "storage"],
        others: &[
            "tokio",
            "tracing",
            "tracing-subscriber",
            "clap",
            "rustyline",
            "anyhow",
            "serde_json",
            "base64",
            // The load generator: latencies, and `epoll` without a runtime in between.
            "hdrhistogram",
            "rustix",
        ],
        in_tests: &[],
    },
    Row {
        name: "sim",
        pure: false,
        ours: &["jute", "ensemble", "election", "zab", "tree", "pipeline", "storage", "replica"],
        // An allocator: it makes a tenth more runs in the same time.
        others: &["anyhow", "mimalloc"],
        in_tests: &[],
    },
    Row { name: "xtask", pure: false, ours: &[], others: &["nom", "toml", "anyhow"], in_tests: &[] },
];

/// Files that may hold unsafe code, each with its reason.
pub(super) const UNSAFE_ALLOWED: &[(&str, &str)] = &[];

/// Most lines of a file; generated files and tests are not counted.
pub(super) const LINES_MAX: usize = 600;

/// Files that may be longer, each with its reason.
pub(super) const LONG_ALLOWED: &[(&str, &str)] = &[];
