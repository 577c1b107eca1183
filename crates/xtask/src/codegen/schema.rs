//! Parses the language of `.jute` files.
//!
//! A file is one module of classes; a class is a list of typed fields. `//` comments right before a module, a class or a
//! field are its documentation.

use anyhow::{Result, anyhow};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_until, take_while1};
use nom::character::complete::{char, multispace0, multispace1, not_line_ending};
use nom::combinator::{all_consuming, map, recognize, value};
use nom::multi::{many0, separated_list1};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

/// One `.jute` file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Module {
    /// Name of the file without its ending; the Rust module has it too.
    pub(crate) name: String,
    pub(crate) docs: Vec<String>,
    pub(crate) classes: Vec<Class>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) docs: Vec<String>,
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) docs: Vec<String>,
    pub(crate) name: String,
    pub(crate) ty: Type,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Boolean,
    Int,
    Long,
    String,
    Buffer,
    Vector(Box<Type>),
    /// A class, by its name without that of its module.
    Class(String),
}

/// Parses the text of one file.
pub(crate) fn parse(name: &str, text: &str) -> Result<Module> {
    match all_consuming(terminated(module, docs)).parse(text) {
        Ok((_, (docs, classes))) => Ok(Module { name: name.into(), docs, classes }),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => {
            let line = text.len().checked_sub(error.input.len()).and_then(|at| text.get(..at));
            let line = line.map_or(0, |before| before.lines().count());
            Err(anyhow!("{name}.jute: not understood from line {line} on"))
        }
        Err(nom::Err::Incomplete(_)) => Err(anyhow!("{name}.jute: ends too early")),
    }
}

fn module(input: &str) -> IResult<&str, (Vec<String>, Vec<Class>)> {
    let head = (docs, tag("module"), multispace1, dotted);
    map((head, symbol('{'), many0(class), symbol('}')), |((docs, ..), _, classes, _)| (docs, classes))
        .parse(input)
}

fn class(input: &str) -> IResult<&str, Class> {
    let head = (docs, tag("class"), multispace1, identifier);
    map((head, symbol('{'), many0(field), symbol('}')), |((docs, _, _, name), _, fields, _)| Class {
        docs,
        name: name.into(),
        fields,
    })
    .parse(input)
}

fn field(input: &str) -> IResult<&str, Field> {
    map((docs, field_type, multispace1, identifier, symbol(';')), |(docs, ty, _, name, _)| Field {
        docs,
        name: name.into(),
        ty,
    })
    .parse(input)
}

fn field_type(input: &str) -> IResult<&str, Type> {
    alt((
        map(
            preceded(tag("vector"), delimited(symbol('<'), preceded(docs, field_type), symbol('>'))),
            |item| Type::Vector(Box::new(item)),
        ),
        map(dotted, plain_type),
    ))
    .parse(input)
}

fn plain_type(name: &str) -> Type {
    match name {
        "boolean" => Type::Boolean,
        "int" => Type::Int,
        "long" => Type::Long,
        "ustring" => Type::String,
        "buffer" => Type::Buffer,
        class => Type::Class(class.rsplit('.').next().unwrap_or(class).into()),
    }
}

/// A name with dots in it.
fn dotted(input: &str) -> IResult<&str, &str> {
    recognize(separated_list1(char('.'), identifier)).parse(input)
}

fn identifier(input: &str) -> IResult<&str, &str> {
    take_while1(|c: char| c.is_ascii_alphanumeric() || c == '_').parse(input)
}

/// A character with blanks and comments before it.
fn symbol<'a>(symbol: char) -> impl Parser<&'a str, Output = char, Error = nom::error::Error<&'a str>> {
    preceded(docs, char(symbol))
}

/// Blanks and comments; the lines of `//` comments are kept.
fn docs(input: &str) -> IResult<&str, Vec<String>> {
    let line = preceded(tag("//"), map(not_line_ending, |text: &str| Some(text.trim().to_owned())));
    let block = value(None, delimited(tag("/*"), take_until("*/"), tag("*/")));
    let comment = preceded(multispace0, alt((line, block)));
    map(terminated(many0(comment), multispace0), |lines| lines.into_iter().flatten().collect()).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_with_comments_and_all_types() {
        let text = "// About.\nmodule a.b { /* none */ // Two\n // lines.\n class C {\n int i;\n // Said.\n\
                    vector < a.b.D > v; boolean b;long l ; ustring s; buffer u; } class E {} }\n// end\n";
        let module = parse("b", text).unwrap();
        assert_eq!(module.docs, ["About."]);
        let [class, empty] = module.classes.as_slice() else { panic!("two classes") };
        assert_eq!((class.name.as_str(), class.docs.as_slice()), ("C", &["Two".into(), "lines.".into()][..]));
        let types: Vec<(&str, &Type)> = class.fields.iter().map(|f| (f.name.as_str(), &f.ty)).collect();
        let vector = Type::Vector(Box::new(Type::Class("D".into())));
        let expected = [
            ("i", &Type::Int),
            ("v", &vector),
            ("b", &Type::Boolean),
            ("l", &Type::Long),
            ("s", &Type::String),
            ("u", &Type::Buffer),
        ];
        assert_eq!(types, expected);
        assert_eq!(class.fields[1].docs, ["Said."]);
        assert_eq!(empty.fields, []);
    }

    #[test]
    fn an_error_names_file_and_line() {
        let text = "module a {\nclass C {\nint i\n}\n}";
        assert!(parse("a", text).unwrap_err().to_string().starts_with("a.jute: not understood from line"));
    }
}
