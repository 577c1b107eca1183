//! Several commands as one, all or none: `multi create /a x ; check /b 3 ; delete /c`.

use std::io::Write;

use client::{CreateMode, ErrorCode, Op, OpResult, open_acl};

use super::super::failure::Failure;
use super::nodes::plain_version;
use super::{Context, acl};

pub(super) async fn run(context: &mut Context<'_>) -> Result<(), Failure> {
    let words = context.words.rest().get(1..).unwrap_or_default().to_vec();
    let mut ops = Vec::new();
    for part in words.split(|word| word == ";").filter(|part| !part.is_empty()) {
        ops.push(parse(part, context.err)?);
    }
    match context.client.multi(&ops).await {
        Ok(results) => {
            for result in &results {
                writeln!(context.out, "{}", told(result))?;
            }
            Ok(())
        }
        Err(client::Error::Multi { code, index, .. }) => {
            let path = ops.get(index).map(|op| path(op).to_owned());
            let cause = Failure::from(client::Error::Server { code, path });
            Err(Failure::new(format!(
                "{} (operation {} of {}; none was done)",
                cause.message,
                index + 1,
                ops.len()
            )))
        }
        Err(why) => Err(why.into()),
    }
}

/// One operation: no options here, what may be left out stands last.
fn parse(words: &[String], err: &mut dyn Write) -> Result<Op, Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["create", path, rest @ ..] => create(path, rest, err),
        ["delete", path, version @ ..] if version.len() <= 1 => {
            Ok(Op::Delete { path: (*path).to_owned(), version: plain_version(version.first().copied())? })
        }
        ["set", path, data, version @ ..] if version.len() <= 1 => Ok(Op::SetData {
            path: (*path).to_owned(),
            data: Some(data.as_bytes().to_vec()),
            version: plain_version(version.first().copied())?,
        }),
        ["check", path, version] => {
            Ok(Op::Check { path: (*path).to_owned(), version: plain_version(Some(version))? })
        }
        _ => Err(Failure::new(format!(
            "cannot read \"{}\": expected create path [data] [acl], delete path [version], set path data [version], \
             or check path version",
            words.join(" ")
        ))),
    }
}

fn create(path: &str, rest: &[&str], err: &mut dyn Write) -> Result<Op, Failure> {
    let acl = match rest.get(1) {
        None => open_acl(),
        Some(text) => acl::parse_acl(text, err)?,
    };
    let data = rest.first().map(|data| data.as_bytes().to_vec());
    Ok(Op::Create { path: path.to_owned(), data, acl, mode: CreateMode::Persistent })
}

fn path(op: &Op) -> &str {
    match op {
        Op::Create { path, .. }
        | Op::Delete { path, .. }
        | Op::SetData { path, .. }
        | Op::Check { path, .. } => path,
    }
}

fn told(result: &OpResult) -> String {
    match result {
        OpResult::Create { path, .. } => format!("Created {path}"),
        OpResult::Delete => "Deleted".to_owned(),
        OpResult::SetData(stat) => format!("Set, dataVersion = {}", stat.version),
        OpResult::Check => "Checked".to_owned(),
        OpResult::GetChildren(names) => format!("[{}]", names.join(", ")),
        OpResult::GetData(data, _) => {
            String::from_utf8_lossy(data.as_deref().unwrap_or(b"null")).into_owned()
        }
        OpResult::Error(code) => {
            ErrorCode::from_code(*code).map_or(code.to_string(), |code| format!("{code:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Op, Failure> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&words, &mut Vec::new())
    }

    #[test]
    fn operations() {
        assert_eq!(parsed("delete /a"), Ok(Op::Delete { path: "/a".into(), version: -1 }));
        assert_eq!(parsed("check /a 3"), Ok(Op::Check { path: "/a".into(), version: 3 }));
        let set = Op::SetData { path: "/a".into(), data: Some(b"x".to_vec()), version: 2 };
        assert_eq!(parsed("set /a x 2"), Ok(set));
        for wrong in ["get /a", "check /a", "set /a", "delete /a x", "create"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
