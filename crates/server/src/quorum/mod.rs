//! The ports that peers use among themselves.
//!
//! * [`mesh`]: the election port, one connection for each pair of servers.

#[cfg_attr(not(test), expect(dead_code, reason = "the role that elects is not there yet"))]
pub(crate) mod mesh;
