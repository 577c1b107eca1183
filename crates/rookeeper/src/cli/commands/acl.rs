//! Access lists.

use std::io::Write;

use client::{Acl, Id, perms};

use super::super::failure::Failure;
use super::super::{print, tree};
use super::Context;

// zk: GetAclCommand.exec
pub(super) async fn get(context: &mut Context<'_>) -> Result<(), Failure> {
    let (acl, stat) = context.client.get_acl(context.word(1)).await?;
    for entry in &acl {
        print::acl(context.out, entry)?;
    }
    if context.words.has("s") {
        print::stat(context.out, &stat)?;
    }
    Ok(())
}

// zk: SetAclCommand.exec
pub(super) async fn set(context: &mut Context<'_>) -> Result<(), Failure> {
    let path = context.word(1).to_owned();
    let text = context.word(2).to_owned();
    let acl = parse_acl(&text, context.err)?;
    let version = context.version()?;
    if context.words.has("R") {
        let mut nodes = tree::DepthFirst::start(context.client, &path, false).await?;
        while let Some(node) = nodes.next().await? {
            if let Err(why) = context.client.set_acl(&node, &acl, version).await {
                writeln!(context.out, "{}", Failure::from(why).message)?;
            }
        }
        return Ok(());
    }
    let stat = context.client.set_acl(&path, &acl, version).await?;
    if context.words.has("s") {
        print::stat(context.out, &stat)?;
    }
    Ok(())
}

/// Reads `scheme:id:permissions,...`; what has another form is named and left out.
// zk: AclParser.parse
pub(super) fn parse_acl(text: &str, err: &mut dyn Write) -> Result<Vec<Acl>, Failure> {
    let mut acl = Vec::new();
    for part in text.split(',') {
        let fields = part.split_once(':').and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once(':')?)));
        let Some((scheme, (id, letters))) = fields else {
            writeln!(err, "{part} does not have the form scheme:id:perm")?;
            continue;
        };
        let id = Id { scheme: scheme.to_owned(), id: id.to_owned() };
        acl.push(Acl { perms: permissions(letters, err)?, id });
    }
    Ok(acl)
}

fn permissions(letters: &str, err: &mut dyn Write) -> Result<i32, Failure> {
    let mut mask = 0;
    for letter in letters.chars() {
        mask |= match letter {
            'r' => perms::READ,
            'w' => perms::WRITE,
            'c' => perms::CREATE,
            'd' => perms::DELETE,
            'a' => perms::ADMIN,
            unknown => {
                writeln!(err, "Unknown perm type: {unknown}")?;
                0
            }
        };
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_what_is_wrong_with_them() {
        let mut err = Vec::new();
        let acl = parse_acl("world:anyone:cdrwa,digest:u:p=:rx,nonsense,a:b", &mut err).unwrap();
        let read: Vec<_> =
            acl.iter().map(|entry| (entry.id.scheme.as_str(), entry.id.id.as_str(), entry.perms)).collect();
        assert_eq!(read, [("world", "anyone", perms::ALL), ("digest", "u:p=", perms::READ)]);
        let err = String::from_utf8(err).unwrap();
        let lines = [
            "Unknown perm type: x",
            "nonsense does not have the form scheme:id:perm",
            "a:b does not have the form scheme:id:perm",
        ];
        assert_eq!(err.lines().collect::<Vec<_>>(), lines);
    }
}
