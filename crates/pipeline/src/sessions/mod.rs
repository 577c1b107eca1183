//! Who is alive: the session tracker of one server that decides on expiry.
//!
//! ```text
//!           track                 set_closing (close request or expiry)          remove (close applied)
//! unknown ─────────▶ open ──────────────────────────────────────────▶ closing ─────────────────────────▶ unknown
//!                    │  ▲
//!                    └──┘ touch: the deadline moves
//! ```

mod ended;
mod expiry;
mod ids;
mod password;
mod tracker;

pub use expiry::ExpiryQueue;
pub use ids::SessionIds;
pub(crate) use password::same_bytes;
pub use password::{PASSWORD_LEN, is_password_of, password};
pub use tracker::{Owner, SessionReport, SessionTracker};
