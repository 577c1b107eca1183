//! The shell on loopback: sockets, order, limits, start and stop.

mod common;
mod lifetime;
mod serving;
mod words;
