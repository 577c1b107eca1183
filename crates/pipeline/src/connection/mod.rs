//! One client connection as a pure machine.
