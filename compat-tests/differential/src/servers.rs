//! Starts a server from its command line on a fresh `zoo.cfg`, and ends it by its process id.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::session::four_letters;

const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(20);

/// A server process; dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    command: String,
    config: PathBuf,
    flags: String,
}

impl Server {
    /// `folder` is made anew. `settings` are lines of `zoo.cfg`, `flags` go to `SERVER_JVMFLAGS`.
    pub(crate) fn start(
        command: &str,
        folder: &Path,
        settings: &[&str],
        flags: &str,
    ) -> Result<Self, Box<dyn Error>> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let config = folder.join("zoo.cfg");
        let mut file = fs::File::create(&config)?;
        writeln!(
            file,
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1",
            folder.join("data").display()
        )?;
        writeln!(
            file,
            "tickTime=3000\nadmin.enableServer=false\n4lw.commands.whitelist=*\nmaxClientCnxns=0"
        )?;
        settings.iter().try_for_each(|line| writeln!(file, "{line}"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let child = spawn(command, &config, flags)?;
        let mut server =
            Self { child, address, command: command.to_owned(), config, flags: flags.to_owned() };
        server.wait_until_it_serves()?;
        Ok(server)
    }

    /// Starts the process again on the same directory, without waiting for it.
    pub(crate) fn start_again(&mut self) -> Result<(), Box<dyn Error>> {
        self.child = spawn(&self.command, &self.config, &self.flags)?;
        Ok(())
    }

    pub(crate) fn stop(&mut self) -> Result<(), Box<dyn Error>> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let end = Instant::now() + STOP_MAX;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                self.child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Resident memory of the process in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Processor time of the process so far, in milliseconds (its clock ticks are 10 ms).
    pub(crate) fn cpu_ms(&self) -> Result<u64, Box<dyn Error>> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(") ").ok_or("no process name")?.1;
        let mut fields = after_name.split(' ').skip(11);
        let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok()).ok_or("no times");
        Ok((ticks()? + ticks()?) * 10)
    }

    /// The end of what the server printed.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(self.config.with_file_name("server.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    fn wait_until_it_serves(&mut self) -> Result<(), Box<dyn Error>> {
        let end = Instant::now() + START_MAX;
        while !four_letters(self.address, "srvr").is_ok_and(|answer| answer.contains("Mode: ")) {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("`{}` ended with {status}:\n{}", self.command, self.last_words()).into());
            }
            if Instant::now() > end {
                return Err(format!("`{}` does not serve:\n{}", self.command, self.last_words()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file's path comes last, or in place of `{cfg}`.
fn spawn(command: &str, config: &Path, flags: &str) -> Result<Child, Box<dyn Error>> {
    let config_text = config.display().to_string();
    let mut words: Vec<&str> = command.split_whitespace().collect();
    match words.iter_mut().find(|word| **word == "{cfg}") {
        Some(word) => *word = &config_text,
        None => words.push(&config_text),
    }
    let (program, arguments) = words.split_first().ok_or("an empty server command")?;
    let log = fs::OpenOptions::new().create(true).append(true).open(config.with_file_name("server.log"))?;
    let mut command = Command::new(program);
    command.args(arguments).env("SERVER_JVMFLAGS", flags).stdin(Stdio::null());
    let child = command.stdout(log.try_clone()?).stderr(log).spawn();
    Ok(child.map_err(|error| format!("{program}: {error}"))?)
}
