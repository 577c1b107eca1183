use super::*;

#[test]
fn stats_are_pairs_with_an_odd_sign_before_hard_limits() {
    for (text, formatted) in [
        ("", Some("count=-1,bytes=-1")),
        ("count=4,bytes=5", Some("count=4,bytes=5")),
        ("bytes=5,count=4", Some("count=4,bytes=5")),
        ("count=4", Some("count=4,bytes=-1")),
        (
            "count=4,bytes=5=;countHardLimit=10;byteHardLimit=11",
            Some("count=4,bytes=5=;byteHardLimit=11;countHardLimit=10"),
        ),
        ("count=4,,;bytes=5;", Some("count=4,bytes=5")),
        ("count==4", Some("count=-1,bytes=-1")),
        ("x=1", Some("count=-1,bytes=-1=;x=1")),
        ("count=", None),
        ("count", None),
        ("count=a", None),
        ("count=9223372036854775808", None),
        (",count=1", None),
        (",", None),
    ] {
        assert_eq!(
            Stats::parse(text.as_bytes()).map(|stats| stats.format()).as_deref(),
            formatted,
            "{text:?}"
        );
    }
}

#[test]
fn the_longest_prefix_counts_name_by_name() {
    let mut prefixes = Prefixes::default();
    assert_eq!(prefixes.longest("/a"), None);
    prefixes.add("/a");
    prefixes.add("/a/b/c");
    prefixes.add("");
    for (path, prefix) in [
        ("/", None),
        ("/a", Some("/a")),
        ("/ab", None),
        ("/a/b", Some("/a")),
        ("/a/b/c", Some("/a/b/c")),
        ("/a/b/cd", Some("/a")),
        ("/a/b/c/d", Some("/a/b/c")),
        ("/ /a/b", Some("/a")),
    ] {
        assert_eq!(prefixes.longest(path).as_deref(), prefix, "{path}");
    }
    prefixes.remove("/a");
    assert_eq!(prefixes.longest("/a/b"), None);
    assert_eq!(prefixes.longest("/a/b/c").as_deref(), Some("/a/b/c"));
}
