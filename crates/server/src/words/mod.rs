//! The four-letter words: raw text before any session, then the connection closes.

mod environment;
mod text;
