//! `envi`: the keys of the reference, with what a program that is no JVM can say.

use std::env;
use std::fs;

use crate::version;

const NONE: &str = "<NA>";

/// The answer.
// zk: Environment.list
pub(crate) fn text() -> String {
    let system = rustix::system::uname();
    let utf8 = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| NONE.to_owned());
    let directory = env::current_dir().map_or_else(|_| NONE.to_owned(), |dir| dir.display().to_string());
    let memory = Memory::read();
    let rows = [
        ("zookeeper.version", version::full()),
        ("host.name", utf8(system.nodename())),
        ("java.version", NONE.to_owned()),
        ("java.vendor", "Rookeeper".to_owned()),
        ("java.home", NONE.to_owned()),
        ("java.class.path", NONE.to_owned()),
        ("java.library.path", NONE.to_owned()),
        ("java.io.tmpdir", env::temp_dir().display().to_string()),
        ("java.compiler", NONE.to_owned()),
        ("os.name", utf8(system.sysname())),
        ("os.arch", java_arch().to_owned()),
        ("os.version", utf8(system.release())),
        ("user.name", variable("USER")),
        ("user.home", variable("HOME")),
        ("user.dir", directory),
        ("os.memory.free", format!("{}MB", memory.available_mib)),
        ("os.memory.max", format!("{}MB", memory.all_mib)),
        ("os.memory.total", format!("{}MB", memory.resident_mib)),
    ];
    rows.iter().fold("Environment:\n".to_owned(), |text, (key, value)| text + key + "=" + value + "\n")
}

fn java_arch() -> &'static str {
    match env::consts::ARCH {
        "x86_64" => "amd64",
        other => other,
    }
}

/// Memory of the machine and of this process.
struct Memory {
    available_mib: u64,
    all_mib: u64,
    resident_mib: u64,
}

impl Memory {
    fn read() -> Self {
        let machine = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let process = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            available_mib: kib_line(&machine, "MemAvailable:") / 1024,
            all_mib: kib_line(&machine, "MemTotal:") / 1024,
            resident_mib: kib_line(&process, "VmRSS:") / 1024,
        }
    }
}

fn kib_line(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_keys_of_the_reference_in_its_order() {
        let text = text();
        let keys: Vec<_> = text.lines().map(|line| line.split('=').next().unwrap()).collect();
        let wanted = "Environment: zookeeper.version host.name java.version java.vendor java.home java.class.path \
                      java.library.path java.io.tmpdir java.compiler os.name os.arch os.version user.name user.home \
                      user.dir os.memory.free os.memory.max os.memory.total";
        assert_eq!(keys, wanted.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn reads_lines_of_proc() {
        assert_eq!(kib_line("A: 1 kB\nMemTotal:   2048 kB\n", "MemTotal:"), 2048);
        assert_eq!(kib_line("", "MemTotal:"), 0);
    }
}
