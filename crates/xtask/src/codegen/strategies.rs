//! Writes what the round-trip tests need of each record: a proptest strategy and a test.

use super::emit::{HEADER, line_of};
use super::model::{Field, Module, Presence, Record, Type};

/// The file with a strategy for each record and a list of tests.
pub(crate) fn file(modules: &[Module]) -> String {
    let mut text = String::from(HEADER);
    text.push_str("use proptest::prelude::*;\nuse jute::{SessionId, Zxid};\n\nuse crate::values::*;\n\n");
    for record in modules.iter().flat_map(|module| module.records.iter().map(move |record| (module, record)))
    {
        strategy(&mut text, record.0, record.1);
    }
    text.push_str("round_trips! {\n");
    for record in modules.iter().flat_map(|module| &module.records) {
        let name = function(&record.name);
        line_of(&mut text, &format!("{name}: {:?},", record.schema_name));
    }
    text + "}\n"
}

fn strategy(text: &mut String, module: &Module, record: &Record) {
    let ty = format!("jute::{}::{}", module.name, record.name);
    line_of(text, &format!("pub(crate) fn {}() -> BoxedStrategy<{ty}> {{", function(&record.name)));
    let mut expression = String::from("Just(())");
    let mut pattern = String::from("()");
    for field in &record.fields {
        expression = format!("({expression}, {})", value(field));
        pattern = format!("({pattern}, {})", field.name);
    }
    let names: Vec<&str> = record.fields.iter().map(|field| field.name.as_str()).collect();
    line_of(
        text,
        &format!("{expression}.prop_map(|{pattern}| {ty} {{ {} }}).boxed()\n}}\n", names.join(", ")),
    );
}

fn value(field: &Field) -> String {
    let plain = plain(&field.ty);
    match field.presence {
        Presence::Required | Presence::Blank => plain,
        Presence::Nullable | Presence::Tail => format!("proptest::option::of({plain})"),
    }
}

fn plain(ty: &Type) -> String {
    match ty {
        Type::Bool => "any::<bool>()".into(),
        Type::Int => "any::<i32>()".into(),
        Type::Long => "any::<i64>()".into(),
        Type::Domain(name) => format!("any::<i64>().prop_map({name})"),
        Type::String => "text()".into(),
        Type::Buffer => "buffer()".into(),
        Type::Vector(item) => format!("proptest::collection::vec({}, 0..4)", plain(item)),
        Type::Record { name, .. } => format!("{}()", function(name)),
    }
}

/// The name of the function for a record.
fn function(record: &str) -> String {
    let mut name = String::new();
    let mut previous_small = false;
    for c in record.chars() {
        if c.is_ascii_uppercase() && previous_small {
            name.push('_');
        }
        previous_small = !c.is_ascii_uppercase();
        name.push(c.to_ascii_lowercase());
    }
    name
}
