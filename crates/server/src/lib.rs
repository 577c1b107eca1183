//! The tokio shell: settings, listeners, connections, disk thread, four-letter words.

pub mod settings;

#[cfg(test)]
mod scratch;
