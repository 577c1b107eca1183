//! Parses `overlay.txt`: what the schemas cannot say. The file itself explains its lines.

use anyhow::{Context as _, Result, bail};

/// All lines, in order.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    pub(crate) lines: Vec<Line>,
}

/// One fact.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Number in the file, from 1.
    pub(crate) number: usize,
    pub(crate) fact: Fact,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// A record is called otherwise.
    Record { record: String, name: String },
    /// Something about a field.
    Field { record: String, field: String, what: FieldFact },
    /// What a field means wherever no comment says it.
    Doc { field: String, text: String },
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FieldFact {
    Name(String),
    Type(String),
    Nullable,
    Blank,
    Tail,
}

/// Stands for each record that has the field.
pub(crate) const ANY_RECORD: &str = "*";

pub(crate) fn parse(text: &str) -> Result<Overlay> {
    let mut lines = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let fact = fact(line).with_context(|| format!("overlay.txt, line {number}"))?;
        lines.push(Line { number, fact });
    }
    Ok(Overlay { lines })
}

fn fact(line: &str) -> Result<Fact> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let about =
        |record: &str, field: &str, what| Fact::Field { record: record.into(), field: field.into(), what };
    Ok(match words.as_slice() {
        ["record", record, name] => Fact::Record { record: (*record).into(), name: (*name).into() },
        ["name", record, field, name] => about(record, field, FieldFact::Name((*name).into())),
        ["type", record, field, ty] => about(record, field, FieldFact::Type((*ty).into())),
        ["null", record, field] => about(record, field, FieldFact::Nullable),
        ["blank", record, field] => about(record, field, FieldFact::Blank),
        ["tail", record, field] => about(record, field, FieldFact::Tail),
        ["doc", field, text @ ..] if !text.is_empty() => {
            Fact::Doc { field: (*field).into(), text: text.join(" ") }
        }
        _ => bail!("not understood: {line}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_facts() {
        let overlay = parse("# no\n\nrecord A B\nnull * acl\ndoc path The path.\n").unwrap();
        let numbers: Vec<usize> = overlay.lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [3, 4, 5]);
        assert_eq!(overlay.lines[2].fact, Fact::Doc { field: "path".into(), text: "The path.".into() });
    }

    #[test]
    fn an_error_names_the_line() {
        assert_eq!(parse("record A B\nnull A\n").unwrap_err().to_string(), "overlay.txt, line 2");
    }
}
