//! The shell on loopback: sockets, order, limits, start and stop.

mod common;
mod ensemble;
mod lifetime;
mod members;
mod serving;
mod words;
