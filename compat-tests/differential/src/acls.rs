//! Access control lists for requests, good and bad.

use crate::wire::{Random, Writer};

/// A person of the run: what the auth packet carries, and the id that it earns.
pub(crate) const USERS: &[(&str, &str)] = &[
    ("u0:p0", "u0:kn4sLJzXfp7KZRbZugmnVcIMGpM="),
    ("u1:p1", "u1:fpT/y03U+EjItKZOSLGvjnJlyng="),
    ("u2:p2", "u2:o9NxcCGDPOlcV7JVhmKHOf5ctVE="),
    ("\u{fc}:p", "\u{fc}:RLmXr+Ch3+721+A6LjU1Ythk2bc="),
];
/// The superDigest of the suites belongs to it.
pub(crate) const SUPER: &str = "super:test";

const ALL: i32 = 31;

/// How a list that is null is shown.
pub(crate) const NULL_LIST: &str = "null list";

type Entry<'a> = (i32, Option<&'a str>, &'a str);

pub(crate) const OPEN: &[Entry<'_>] = &[(ALL, Some("world"), "anyone")];

pub(crate) fn write(writer: Writer, entries: &[Entry<'_>]) -> Writer {
    entries.iter().fold(writer.int(entries.len() as i32), |writer, (perms, scheme, id)| {
        writer.int(*perms).buffer(scheme.map(str::as_bytes)).string(id)
    })
}

/// A list, weighted: mostly open, sometimes narrow, sometimes refused. `may_auth`: the connection has at most
/// one id that `auth` expands to (with several the reference's order is that of a hash table).
pub(crate) fn random(writer: Writer, random: &mut Random, may_auth: bool) -> (Writer, &'static str) {
    match random.below(100) {
        0..70 => (write(writer, OPEN), "open"),
        70..86 => narrow(writer, random),
        86..92 if may_auth => (write(writer, &[(ALL, Some("auth"), "ignored")]), "auth"),
        86..94 => {
            let user = random.pick(USERS).1;
            (
                write(
                    writer,
                    &[(ALL, Some("digest"), user), (ALL, Some("digest"), user), (1, Some("world"), "anyone")],
                ),
                "doubled",
            )
        }
        94..96 => (write(writer, &[(ALL, Some("ip"), "127.0.0.1"), (3, Some("ip"), "10.0.0.0/8")]), "ip"),
        _ => refused(writer, random),
    }
}

fn narrow(writer: Writer, random: &mut Random) -> (Writer, &'static str) {
    let user = random.pick(USERS).1;
    let perms = random.below(32) as i32;
    match random.below(5) {
        0 => (write(writer, &[(ALL, Some("digest"), user)]), "one user"),
        1 => (write(writer, &[(perms, Some("world"), "anyone")]), "world, some"),
        2 => (
            write(writer, &[(perms, Some("world"), "anyone"), (ALL, Some("digest"), user)]),
            "world some, user all",
        ),
        3 => (
            write(writer, &[(perms, Some("ip"), "127.0.0.0/8"), (16, Some("digest"), user)]),
            "ip some, user admin",
        ),
        _ => (
            write(writer, &[(perms, Some("digest"), "nobody:\u{1f600}"), (ALL, Some("ip"), "127.0.0.1")]),
            "odd id",
        ),
    }
}

fn refused(writer: Writer, random: &mut Random) -> (Writer, &'static str) {
    match random.below(10) {
        0 => (writer.int(-1), NULL_LIST),
        1 => (writer.int(0), "empty list"),
        2 => (write(writer, &[(ALL, Some("digest"), "no-colon")]), "digest without colon"),
        3 => (write(writer, &[(ALL, Some("digest"), "a:b:c")]), "digest with two colons"),
        4 => (write(writer, &[(ALL, Some("ip"), "300.1.1.1")]), "ip out of range"),
        5 => (write(writer, &[(ALL, Some("ip"), "10.0.0.1/33")]), "ip prefix too long"),
        6 => (write(writer, &[(ALL, Some("nosuch"), "x")]), "unknown scheme"),
        7 => (write(writer, &[(ALL, Some("world"), "someone")]), "world:someone"),
        8 => (write(writer, &[(ALL, None, "x")]), "null scheme"),
        _ => (write(writer, &[(ALL, Some("world"), "anyone"), (1, Some("super"), "")]), "super"),
    }
}
