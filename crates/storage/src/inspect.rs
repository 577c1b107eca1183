//! Reads files one by one, for offline tools: what is in them, and where they are damaged.
