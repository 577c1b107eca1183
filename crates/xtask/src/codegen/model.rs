//! Joins schemas and overlay to what the generated code shall look like.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};

use super::overlay::{ANY_RECORD, Fact, FieldFact, Overlay};
use super::schema;

/// One Rust module.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) docs: Vec<String>,
    pub(crate) records: Vec<Record>,
}

/// One Rust struct.
pub(crate) struct Record {
    pub(crate) docs: Vec<String>,
    /// Name in the schema.
    pub(crate) schema_name: String,
    /// Name in Rust.
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

/// One field of a struct.
pub(crate) struct Field {
    pub(crate) docs: Vec<String>,
    /// Name in the schema.
    pub(crate) schema_name: String,
    /// Name in Rust.
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) presence: Presence,
}

/// Type of a field in Rust.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int,
    Long,
    /// A newtype around a long.
    Domain(String),
    String,
    Buffer,
    Vector(Box<Type>),
    Record {
        module: String,
        name: String,
    },
}

/// Whether a value may be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Nullable,
    /// A string that is read as empty when it is null.
    Blank,
    /// The last field, which may be left out.
    Tail,
}

pub(crate) fn join(modules: &[schema::Module], overlay: &Overlay) -> Result<Vec<Module>> {
    let mut joiner = Joiner { facts: Facts { overlay, used: BTreeSet::new() }, classes: BTreeMap::new() };
    for module in modules {
        for class in &module.classes {
            let name = joiner.facts.record_name(&class.name);
            let previous = joiner.classes.insert(class.name.clone(), (module.name.clone(), name));
            ensure!(previous.is_none(), "two records are called {}", class.name);
        }
    }
    let mut joined = Vec::new();
    for module in modules {
        let records = module.classes.iter().map(|class| joiner.record(class)).collect::<Result<_>>()?;
        joined.push(Module { name: module.name.clone(), docs: module.docs.clone(), records });
    }
    joiner.facts.all_used()?;
    Ok(joined)
}

struct Joiner<'a> {
    facts: Facts<'a>,
    /// Module and Rust name of each class.
    classes: BTreeMap<String, (String, String)>,
}

impl Joiner<'_> {
    fn record(&mut self, class: &schema::Class) -> Result<Record> {
        ensure!(!class.docs.is_empty(), "{} has no comment", class.name);
        let mut fields: Vec<Field> = Vec::new();
        for field in &class.fields {
            let follows_tail = fields.last().is_some_and(|field| field.presence == Presence::Tail);
            ensure!(!follows_tail, "{}.{} follows an optional tail", class.name, field.name);
            fields.push(self.field(class, field).with_context(|| format!("{}.{}", class.name, field.name))?);
        }
        let name = self.facts.record_name(&class.name);
        Ok(Record { docs: class.docs.clone(), schema_name: class.name.clone(), name, fields })
    }

    fn field(&mut self, class: &schema::Class, field: &schema::Field) -> Result<Field> {
        let mut name = snake_case(&field.name);
        let mut ty = self.ty(&field.ty)?;
        let mut presence = Presence::Required;
        for fact in self.facts.about(&class.name, &field.name) {
            match fact {
                FieldFact::Name(other) => name.clone_from(other),
                FieldFact::Type(domain) => {
                    ensure!(ty == Type::Long, "only a long has a domain type");
                    ty = Type::Domain(domain.clone());
                }
                FieldFact::Nullable => {
                    ensure!(
                        matches!(ty, Type::String | Type::Vector(_)),
                        "only strings and vectors are nullable"
                    );
                    presence = Presence::Nullable;
                }
                FieldFact::Blank => {
                    ensure!(ty == Type::String, "only a string is blank");
                    presence = Presence::Blank;
                }
                FieldFact::Tail => {
                    ensure!(ty == Type::Bool, "only a boolean is an optional tail");
                    presence = Presence::Tail;
                }
            }
        }
        ensure!(name != "type", "`type` is no name in Rust");
        let docs = self.facts.docs(field)?;
        Ok(Field { docs, schema_name: field.name.clone(), name, ty, presence })
    }

    fn ty(&self, ty: &schema::Type) -> Result<Type> {
        Ok(match ty {
            schema::Type::Boolean => Type::Bool,
            schema::Type::Int => Type::Int,
            schema::Type::Long => Type::Long,
            schema::Type::String => Type::String,
            schema::Type::Buffer => Type::Buffer,
            schema::Type::Vector(item) => Type::Vector(Box::new(self.ty(item)?)),
            schema::Type::Class(class) => {
                let Some((module, name)) = self.classes.get(class) else { bail!("no type {class}") };
                Type::Record { module: module.clone(), name: name.clone() }
            }
        })
    }
}

struct Facts<'a> {
    overlay: &'a Overlay,
    /// Numbers of the lines that fitted something.
    used: BTreeSet<usize>,
}

impl<'a> Facts<'a> {
    fn record_name(&mut self, class: &str) -> String {
        for line in &self.overlay.lines {
            if let Fact::Record { record, name } = &line.fact
                && record == class
            {
                self.used.insert(line.number);
                return name.clone();
            }
        }
        class.into()
    }

    /// Facts about a field; those for all records come first, so that one for this record wins.
    fn about(&mut self, class: &str, name: &str) -> Vec<&'a FieldFact> {
        let mut facts = Vec::new();
        for wanted in [ANY_RECORD, class] {
            for line in &self.overlay.lines {
                if let Fact::Field { record, field, what } = &line.fact
                    && record == wanted
                    && field == name
                {
                    self.used.insert(line.number);
                    facts.push(what);
                }
            }
        }
        facts
    }

    fn docs(&mut self, field: &schema::Field) -> Result<Vec<String>> {
        if !field.docs.is_empty() {
            return Ok(field.docs.clone());
        }
        for line in &self.overlay.lines {
            if let Fact::Doc { field: name, text } = &line.fact
                && *name == field.name
            {
                self.used.insert(line.number);
                return Ok(vec![text.clone()]);
            }
        }
        bail!("has neither a comment nor a doc line in overlay.txt")
    }

    fn all_used(&self) -> Result<()> {
        let unused = self.overlay.lines.iter().find(|line| !self.used.contains(&line.number));
        match unused {
            Some(line) => bail!("overlay.txt, line {}: fits nothing", line.number),
            None => Ok(()),
        }
    }
}

/// The name of a field in Rust: an underscore before each capital that follows a small letter or a digit.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut previous_small = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && previous_small {
            snake.push('_');
        }
        previous_small = !c.is_ascii_uppercase();
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::super::{overlay, schema};
    use super::*;

    fn joined(schema: &str, overlay: &str) -> Result<Vec<Module>> {
        join(&[schema::parse("m", schema).unwrap()], &overlay::parse(overlay).unwrap())
    }

    const SCHEMA: &str = "module m { // A.\n class A { // I.\n long someId; // B.\n boolean last; } }";

    #[test]
    fn a_line_for_one_record_wins() {
        let modules =
            joined(SCHEMA, "record A B\ntype A someId T\nname A someId x\nname * someId y\ntail A last");
        let record = &modules.unwrap()[0].records[0];
        assert_eq!((record.name.as_str(), record.fields[0].name.as_str()), ("B", "x"));
        assert!(record.fields[0].ty == Type::Domain("T".into()));
        assert!(record.fields[1].presence == Presence::Tail);
    }

    #[test]
    fn mistakes_are_named() {
        for (overlay, message) in [
            ("null A nothing", "overlay.txt, line 1: fits nothing"),
            ("null A last", "only strings and vectors are nullable"),
            ("type A last T", "only a long has a domain type"),
            ("blank A last", "only a string is blank"),
            ("tail A someId", "only a boolean is an optional tail"),
            ("name A last type", "`type` is no name in Rust"),
        ] {
            let error = joined(SCHEMA, overlay).err().expect(overlay);
            assert_eq!(error.root_cause().to_string(), message);
        }
    }

    #[test]
    fn names_become_snake_case() {
        for (name, snake) in
            [("sessionId", "session_id"), ("path", "path"), ("paths2Delete", "paths2_delete")]
        {
            assert_eq!(snake_case(name), snake);
        }
    }
}
