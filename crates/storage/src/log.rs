//! The transaction log: files that hold records in the order of their zxids.

mod format;
mod marks;
mod reader;
mod scan;
mod writer;

pub use reader::{FileTail, LogReader, LogRecord};
pub(crate) use reader::{first_of, follows, log_files};
pub use scan::{LogFile, RecordEnd, Tear};
pub use writer::{Commit, LogSettings, LogWriter};

pub(crate) use format::{FRAME_BYTES, HEADER_BYTES};
pub(crate) use marks::{Mark, MarkList, Marks};
pub(crate) use scan::Scanned;
pub(crate) use writer::DurableEnd;

/// The checksum of a record's content, as it stands in front of it.
pub(crate) fn checksum(content: &[u8]) -> u64 {
    let mut adler = simd_adler32::Adler32::new();
    adler.write(content);
    u64::from(adler.finish())
}

#[cfg(test)]
mod tests;
