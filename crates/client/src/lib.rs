//! An asynchronous ZooKeeper client.
//!
//! ```no_run
//! # async fn example() -> Result<(), rookeeper_client::Error> {
//! use rookeeper_client::{Client, CreateMode, Options, open_acl};
//!
//! let (client, mut events) = Client::connect("127.0.0.1:2181/app", Options::default()).await?;
//! client.create("/config", Some(b"v1"), &open_acl(), CreateMode::Persistent).await?;
//! let (data, stat) = client.get_data("/config", true).await?;
//! println!("{data:?} in version {}", stat.version);
//! while let Some(event) = events.next().await {
//!     println!("{event}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! One task owns the session: it finds a server, keeps the session alive, and after a lost connection goes on
//! with the same session on another server, with all identities and watches. Requests of one [`Client`] and its
//! clones go out in the order in which their futures are first polled, and are answered in that order.
//!
//! **Events** come through one bounded channel. When it is full, the client stops reading until some are taken: so
//! take them in a task of their own, or drop [`Events`] if they do not matter.

mod acl;
mod address;
mod backoff;
mod call;
mod chroot;
mod client;
mod driver;
mod error;
mod event;
mod frame;
mod handshake;
mod link;
mod mode;
mod multi;
mod operations;
mod options;
mod outbound;
mod path;
mod status;
mod watches;

pub use acl::{creator_all_acl, open_acl, read_acl};
pub use address::{ConnectString, DEFAULT_PORT, Host, InvalidAddress};
pub use client::{Client, Events};
pub use error::Error;
pub use event::{Event, EventKind, SessionState};
pub use mode::{AddWatchMode, CreateMode};
pub use multi::{Op, OpResult, ReadOp};
pub use options::{Options, Resume};
pub use path::{InvalidPath, validate as validate_path};
pub use status::Status;
pub use watches::WatcherType;

pub use jute::data::{Acl, ClientInfo, Id, Stat};
pub use jute::{ErrorCode, OpCode, perms};
