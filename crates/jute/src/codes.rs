/// An enum whose variants are numbers of the protocol.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i32)]
        pub enum $name {
            $($(#[$doc])* $variant = $code,)*
        }

        impl $name {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The number of this code.
            pub const fn code(self) -> i32 {
                self as i32
            }

            /// The code of a number.
            pub const fn from_code(code: i32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The reference's name for this code.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

codes! {
    /// What a request asks for or a transaction does.
    // zk: ZooDefs.OpCode
    OpCode {
        /// Not a request.
        Notification = 0, "notification";
        /// Create a znode, answer its path.
        Create = 1, "create";
        /// Delete a znode.
        Delete = 2, "delete";
        /// Ask whether a znode exists.
        Exists = 3, "exists";
        /// Read data and stat.
        GetData = 4, "getData";
        /// Replace the data.
        SetData = 5, "setData";
        /// Read ACL and stat.
        GetAcl = 6, "getACL";
        /// Replace the ACL.
        SetAcl = 7, "setACL";
        /// List children.
        GetChildren = 8, "getChildren";
        /// Catch up with the leader.
        Sync = 9, "sync";
        /// Keep the session alive.
        Ping = 11, "ping";
        /// List children and read the stat.
        GetChildren2 = 12, "getChildren2";
        /// Check a version, within a multi.
        Check = 13, "check";
        /// Several writes as one.
        Multi = 14, "multi";
        /// Create a znode, answer path and stat.
        Create2 = 15, "create2";
        /// Change the members of the ensemble.
        Reconfig = 16, "reconfig";
        /// Ask whether a watch is registered.
        CheckWatches = 17, "checkWatches";
        /// Remove watches.
        RemoveWatches = 18, "removeWatches";
        /// Create a container.
        CreateContainer = 19, "createContainer";
        /// Delete an empty container or an expired TTL znode.
        DeleteContainer = 20, "deleteContainer";
        /// Create a znode with a time to live.
        CreateTtl = 21, "createTTL";
        /// Several reads as one.
        MultiRead = 22, "multiRead";
        /// Show credentials.
        Auth = 100, "auth";
        /// Register watches anew.
        SetWatches = 101, "setWatches";
        /// One step of SASL.
        Sasl = 102, "sasl";
        /// List the ephemerals of the session.
        GetEphemerals = 103, "getEphemerals";
        /// Count all descendants.
        GetAllChildrenNumber = 104, "getAllChildrenNumber";
        /// Register watches anew, persistent ones included.
        SetWatches2 = 105, "setWatches2";
        /// Add a persistent watch.
        AddWatch = 106, "addWatch";
        /// List the identities of the connection.
        WhoAmI = 107, "whoAmI";
        /// Begin a session.
        CreateSession = -10, "createSession";
        /// End a session.
        CloseSession = -11, "closeSession";
        /// The transaction of a failed request.
        Error = -1, "error";
    }
}

codes! {
    /// How a request ended.
    // zk: KeeperException.Code
    ErrorCode {
        /// All is well.
        Ok = 0, "OK";
        /// Marks the range of system errors.
        SystemError = -1, "SYSTEMERROR";
        /// An operation after the failing one in a multi.
        RuntimeInconsistency = -2, "RUNTIMEINCONSISTENCY";
        /// Data contradict each other.
        DataInconsistency = -3, "DATAINCONSISTENCY";
        /// The connection broke (client side only).
        ConnectionLoss = -4, "CONNECTIONLOSS";
        /// The request cannot be decoded.
        MarshallingError = -5, "MARSHALLINGERROR";
        /// The operation does not exist here.
        Unimplemented = -6, "UNIMPLEMENTED";
        /// The operation took too long (client side only).
        OperationTimeout = -7, "OPERATIONTIMEOUT";
        /// A path, flag or other argument is not valid.
        BadArguments = -8, "BADARGUMENTS";
        /// Unknown session, within the servers only.
        UnknownSession = -12, "UNKNOWNSESSION";
        /// No quorum of the new configuration is connected and up to date.
        NewConfigNoQuorum = -13, "NEWCONFIGNOQUORUM";
        /// Another reconfiguration is under way.
        ReconfigInProgress = -14, "RECONFIGINPROGRESS";
        /// Marks the range of API errors.
        ApiError = -100, "APIERROR";
        /// The znode does not exist.
        NoNode = -101, "NONODE";
        /// The identities do not allow it.
        NoAuth = -102, "NOAUTH";
        /// The version is not the expected one.
        BadVersion = -103, "BADVERSION";
        /// Ephemerals have no children.
        NoChildrenForEphemerals = -108, "NOCHILDRENFOREPHEMERALS";
        /// The znode exists.
        NodeExists = -110, "NODEEXISTS";
        /// The znode has children.
        NotEmpty = -111, "NOTEMPTY";
        /// The session has ended.
        SessionExpired = -112, "SESSIONEXPIRED";
        /// Not a valid callback (client side only).
        InvalidCallback = -113, "INVALIDCALLBACK";
        /// Not a valid ACL.
        InvalidAcl = -114, "INVALIDACL";
        /// Authentication failed.
        AuthFailed = -115, "AUTHFAILED";
        /// The session is served by another server.
        SessionMoved = -118, "SESSIONMOVED";
        /// A write at a read-only server.
        NotReadOnly = -119, "NOTREADONLY";
        /// An ephemeral for a local session.
        EphemeralOnLocalSession = -120, "EPHEMERALONLOCALSESSION";
        /// No such watch.
        NoWatcher = -121, "NOWATCHER";
        /// The request took too long (client side only).
        RequestTimeout = -122, "REQUESTTIMEOUT";
        /// Reconfiguration is switched off.
        ReconfigDisabled = -123, "RECONFIGDISABLED";
        /// The server insists on authentication.
        SessionClosedRequireSaslAuth = -124, "SESSIONCLOSEDREQUIRESASLAUTH";
        /// A quota of the path is used up.
        QuotaExceeded = -125, "QUOTAEXCEEDED";
        /// The server was too busy to begin.
        ThrottledOp = -127, "THROTTLEDOP";
    }
}

/// Permission bits of an ACL entry.
pub mod perms {
    /// Read data and list children.
    pub const READ: i32 = 1;
    /// Replace the data.
    pub const WRITE: i32 = 2;
    /// Create children.
    pub const CREATE: i32 = 4;
    /// Delete children.
    pub const DELETE: i32 = 8;
    /// Replace the ACL.
    pub const ADMIN: i32 = 16;
    /// Everything.
    pub const ALL: i32 = READ | WRITE | CREATE | DELETE | ADMIN;
}

/// The xids with a meaning of their own.
pub mod xid {
    /// A watch event.
    pub const NOTIFICATION: i32 = -1;
    /// A ping and its answer.
    pub const PING: i32 = -2;
    /// Credentials and their answer.
    pub const AUTH: i32 = -4;
    /// Watches registered anew, and the answer.
    pub const SET_WATCHES: i32 = -8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_numbers_are_one_to_one() {
        assert_eq!((OpCode::ALL.len(), ErrorCode::ALL.len()), (33, 32));
        for op_code in OpCode::ALL {
            assert_eq!(OpCode::from_code(op_code.code()), Some(*op_code));
        }
        for error in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(error.code()), Some(*error));
        }
        assert_eq!((OpCode::from_code(10), ErrorCode::from_code(-126)), (None, None));
        assert_eq!(OpCode::CreateTtl.name(), "createTTL");
    }
}
