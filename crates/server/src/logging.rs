//! Where the log of the process goes: stdout, or a file that is rotated by size.
//!
//! The binary installs the subscriber; here is the writer that it writes to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::settings::LoggingSettings;

/// A writer for log lines.
#[derive(Debug)]
pub enum LogWriter {
    /// Standard output.
    Stdout,
    /// A file that is rotated.
    File(Mutex<RotatingFile>),
}

impl LogWriter {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// When the file or its directory cannot be created.
    pub fn open(settings: &LoggingSettings) -> io::Result<Self> {
        let Some(path) = &settings.file else { return Ok(Self::Stdout) };
        Ok(Self::File(Mutex::new(RotatingFile::open(path, settings.file_max_bytes, settings.files_max)?)))
    }

    /// Writes one whole record.
    ///
    /// # Errors
    /// What the system answers.
    pub fn write_record(&self, record: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().lock().write_all(record),
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write_record(record),
        }
    }
}

/// For `tracing_subscriber::fmt::MakeWriter`, which is implemented for closures that return a `Write`.
impl Write for &LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_record(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that moves aside as `name.1` when it is full; `name.1` becomes `name.2`, and so on.
///
/// * A record is never split over two files.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    file: File,
    len: u64,
    max_bytes: u64,
    files_max: u32,
}

impl RotatingFile {
    fn open(path: &Path, max_bytes: u64, files_max: u32) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, len, max_bytes, files_max })
    }

    fn write_record(&mut self, record: &[u8]) -> io::Result<()> {
        let size = u64::try_from(record.len()).unwrap_or(u64::MAX);
        if self.len > 0 && self.len.saturating_add(size) > self.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(record)?;
        self.len += size;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.files_max).rev() {
            let (from, to) = (self.numbered(number), self.numbered(number + 1));
            if from.exists() {
                fs::rename(from, to)?;
            }
        }
        if self.files_max > 0 {
            fs::rename(&self.path, self.numbered(1))?;
        }
        self.file = OpenOptions::new().create(true).write(true).truncate(true).open(&self.path)?;
        self.len = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotates_by_size_and_keeps_so_many_files() {
        let dir = crate::scratch::Dir::new("log");
        let path = dir.path().join("logs").join("z.log");
        let mut log = RotatingFile::open(&path, 10, 2).unwrap();
        for record in ["first\n", "second\n", "third\n", "fourth\n", "5\n"] {
            log.write_record(record.as_bytes()).unwrap();
        }
        let content = |name: &str| fs::read_to_string(dir.path().join("logs").join(name)).ok();
        assert_eq!(content("z.log").as_deref(), Some("fourth\n5\n"));
        assert_eq!(content("z.log.1").as_deref(), Some("third\n"));
        assert_eq!(content("z.log.2").as_deref(), Some("second\n"));
        assert_eq!(content("z.log.3"), None);
        drop(log);
        let mut again = RotatingFile::open(&path, 10, 2).unwrap();
        again.write_record(b"sixth\n").unwrap();
        assert_eq!(content("z.log.1").as_deref(), Some("fourth\n5\n"));
    }

    #[test]
    fn a_record_above_the_size_has_a_file_of_its_own() {
        let dir = crate::scratch::Dir::new("log");
        let path = dir.path().join("z.log");
        let mut log = RotatingFile::open(&path, 4, 0).unwrap();
        log.write_record(b"0123456789").unwrap();
        log.write_record(b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }
}
