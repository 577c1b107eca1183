//! Reads single values out of what was given, by the reference's parse rules, and keeps what is odd.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::SettingsError;
use super::java;
use super::raw::{Given, Raw};

/// Typed access to [`Raw`]. Remembers which names were read, and what could not be understood.
///
/// * A bad *key* is an error, as in the reference.
/// * A bad *property* means the default, as in the reference, and one warning.
#[derive(Debug)]
pub(super) struct Values<'a> {
    raw: &'a Raw,
    read: RefCell<BTreeSet<String>>,
    warnings: RefCell<Vec<String>>,
}

impl<'a> Values<'a> {
    pub(super) fn new(raw: &'a Raw) -> Self {
        Self { raw, read: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn warn(&self, line: String) {
        self.warnings.borrow_mut().push(line);
    }

    /// The warnings so far, and the names that were asked for.
    pub(super) fn finish(self) -> (Vec<String>, BTreeSet<String>) {
        (self.warnings.into_inner(), self.read.into_inner())
    }

    pub(super) fn key(&self, name: &str) -> Option<&'a Given> {
        self.note(name);
        self.raw.keys.iter().find(|(key, _)| key == name).map(|(_, given)| given)
    }

    pub(super) fn key_text(&self, name: &str) -> Option<&'a str> {
        self.key(name).map(|given| given.value.as_str())
    }

    /// zk: Integer.parseInt in QuorumPeerConfig.parseProperties
    pub(super) fn key_int(&self, name: &str) -> Result<Option<i32>, SettingsError> {
        let Some(given) = self.key(name) else { return Ok(None) };
        let value = java::parse_int(&given.value);
        value.map(Some).ok_or_else(|| SettingsError::bad(given, name, "an integer"))
    }

    /// zk: QuorumPeerConfig.parseBoolean
    pub(super) fn key_boolean(&self, name: &str, default: bool) -> Result<bool, SettingsError> {
        let Some(given) = self.key(name) else { return Ok(default) };
        match given.value.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(SettingsError::bad(given, name, "true or false")),
        }
    }

    pub(super) fn property(&self, name: &str) -> Option<&'a Given> {
        self.note(name);
        self.raw.properties.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.property(name).map(|given| given.value.as_str())
    }

    /// `Integer.getInteger`
    pub(super) fn int(&self, name: &str, default: i32) -> i32 {
        let parsed = |text: &str| java::decode(text).and_then(|value| i32::try_from(value).ok());
        self.parsed(name, default, parsed, "an integer")
    }

    /// `Long.getLong`
    pub(super) fn long(&self, name: &str, default: i64) -> i64 {
        self.parsed(name, default, java::decode, "an integer")
    }

    /// `Double.parseDouble`
    pub(super) fn double(&self, name: &str, default: f64) -> f64 {
        self.parsed(name, default, |text| text.trim().parse().ok(), "a number")
    }

    /// A count that cannot be negative; for settings of our own.
    pub(super) fn count(&self, name: &str, default: usize) -> usize {
        let parsed = |text: &str| java::decode(text).and_then(|value| usize::try_from(value).ok());
        self.parsed(name, default, parsed, "an integer from 0")
    }

    /// `Boolean.getBoolean` and `Boolean.parseBoolean`: anything but `true` is false.
    pub(super) fn boolean(&self, name: &str, default: bool) -> bool {
        let Some(given) = self.property(name) else { return default };
        if !given.value.eq_ignore_ascii_case("true") && !given.value.eq_ignore_ascii_case("false") {
            self.warn(format!(
                "{}: {name}={}: expected true or false, taken as false",
                given.origin, given.value
            ));
        }
        java::parse_boolean(&given.value)
    }

    /// A word of a closed set.
    pub(super) fn word<T: Copy>(&self, name: &str, default: T, words: &[(&str, T)]) -> T {
        let expected: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let parsed = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        self.parsed(name, default, parsed, &format!("one of {}", expected.join(", ")))
    }

    fn parsed<T>(&self, name: &str, default: T, parse: impl Fn(&str) -> Option<T>, expected: &str) -> T {
        let Some(given) = self.property(name) else { return default };
        if given.value.is_empty() {
            return default;
        }
        parse(&given.value).unwrap_or_else(|| {
            self.warn(format!(
                "{}: {name}={}: expected {expected}, the default counts",
                given.origin, given.value
            ));
            default
        })
    }

    fn note(&self, name: &str) {
        self.read.borrow_mut().insert(name.to_owned());
    }
}
