//! Paths as the caller sees them, and as the server sees them.

use crate::address::ConnectString;

/// Translates between a caller's paths and the server's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chroot(Option<String>);

impl Chroot {
    pub(crate) fn of(address: &ConnectString) -> Self {
        Self(address.chroot().map(str::to_owned))
    }

    /// The server's path of a caller's valid path.
    pub(crate) fn to_server(&self, path: &str) -> String {
        match &self.0 {
            None => path.to_owned(),
            Some(root) if path == "/" => root.clone(),
            Some(root) => format!("{root}{path}"),
        }
    }

    /// The caller's path of a server's path; a path outside the chroot stays as it is.
    // zk: ClientCnxn.SendThread.stripChroot
    pub(crate) fn to_caller(&self, path: String) -> String {
        let Some(root) = &self.0 else { return path };
        match path.strip_prefix(root.as_str()) {
            Some("") => "/".to_owned(),
            Some(rest) if rest.starts_with('/') => rest.to_owned(),
            Some(_) | None => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let chroot = Chroot(Some("/app".into()));
        for (caller, server) in [("/", "/app"), ("/x", "/app/x")] {
            assert_eq!(chroot.to_server(caller), server);
            assert_eq!(chroot.to_caller(server.to_owned()), caller);
        }
        assert_eq!(chroot.to_caller("/zookeeper/config".into()), "/zookeeper/config");
        assert_eq!(chroot.to_caller("/application".into()), "/application");
        assert_eq!(Chroot(None).to_server("/x"), "/x");
    }
}
