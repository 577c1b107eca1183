//! The ways to a server: names looked up at every attempt, and which of several addresses can be reached.
//!
//! * A server with several addresses (`host:port:port|host:port:port`) is dialled at all that answer a probe, or at all if
//!   none does; the first connection that stands is used.
//! * A probe is what an unprivileged Java process does: TCP to the echo port, where a refusal is an answer too. A machine that
//!   drops what comes to that port is asked at the port in question as well.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ensemble::HostPort;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::own_name;

/// Where a probe knocks.
// zk: InetAddress.isReachable
const ECHO_PORT: u16 = 7;

/// How servers are reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paths {
    /// Time for a probe; without it all addresses count as reachable.
    pub(crate) probe: Option<Duration>,
    /// A world of names and dead addresses.
    #[cfg(test)]
    pub(crate) script: Option<std::sync::Arc<Script>>,
}

impl Paths {
    /// With this time for a probe, if addresses are probed.
    pub(crate) fn new(probe: Option<Duration>) -> Self {
        Self {
            probe,
            #[cfg(test)]
            script: None,
        }
    }

    /// The addresses of a name as they are now; at least one.
    pub(crate) async fn resolve(&self, address: &HostPort) -> io::Result<Vec<SocketAddr>> {
        #[cfg(test)]
        if let Some(found) = self.script.as_ref().and_then(|script| script.resolve(address)) {
            return Ok(found);
        }
        own_name::resolve(address).await
    }

    /// Whether the machine at this address answers, there or at the echo port.
    // zk: MultipleAddresses.checkIfAddressIsReachable
    // diverges(reachability-probe): the reference asks by ICMP where it may, else at the echo port alone
    pub(crate) async fn answers(&self, address: SocketAddr, within: Duration) -> bool {
        #[cfg(test)]
        if let Some(script) = &self.script {
            return !script.is_dead(address.ip());
        }
        let port = async {
            sleep(within / 2).await;
            knock(address).await
        };
        let either = async {
            tokio::select! {
                true = knock(SocketAddr::new(address.ip(), ECHO_PORT)) => true,
                true = port => true,
                else => false,
            }
        };
        timeout(within, either).await.unwrap_or(false)
    }

    /// Makes an attempt at each address that can be reached, or at each if none can; the first that succeeds ends the others.
    // zk: MultipleAddresses.getAllReachableAddressesOrAll, Learner.connectToLeader
    pub(crate) async fn first_of<T, F>(
        &self,
        addresses: Vec<HostPort>,
        attempt: impl Fn(usize, HostPort) -> F,
    ) -> io::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = io::Result<T>> + Send + 'static,
    {
        let each = || addresses.iter().cloned().enumerate();
        let mut running = JoinSet::new();
        if let Some(within) = self.probe.filter(|_| addresses.len() > 1) {
            for (index, address) in each() {
                let (paths, attempt) = (self.clone(), attempt(index, address.clone()));
                running.spawn(async move {
                    if paths.name_answers(&address, within).await { Some(attempt.await) } else { None }
                });
            }
            if let Some(outcome) = first_success(running).await {
                return outcome;
            }
            running = JoinSet::new();
        }
        for (index, address) in each() {
            let attempt = attempt(index, address);
            running.spawn(async move { Some(attempt.await) });
        }
        let nothing = || Err(io::Error::new(io::ErrorKind::NotFound, "no address"));
        first_success(running).await.unwrap_or_else(nothing)
    }

    async fn name_answers(&self, address: &HostPort, within: Duration) -> bool {
        let Ok(Ok(found)) = timeout(within, self.resolve(address)).await else { return false };
        for address in found {
            if self.answers(address, within).await {
                return true;
            }
        }
        false
    }
}

async fn knock(address: SocketAddr) -> bool {
    TcpStream::connect(address)
        .await
        .map_or_else(|error| error.kind() == io::ErrorKind::ConnectionRefused, |_| true)
}

/// The first success, or all failures; nothing when nothing was attempted.
async fn first_success<T: 'static>(mut running: JoinSet<Option<io::Result<T>>>) -> Option<io::Result<T>> {
    let mut failures = Vec::new();
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Some(Ok(success))) => return Some(Ok(success)),
            Ok(Some(Err(failure))) => failures.push(failure.to_string()),
            Ok(None) => {}
            Err(panicked) => failures.push(panicked.to_string()),
        }
    }
    (!failures.is_empty()).then(|| Err(io::Error::other(failures.join("; "))))
}

/// What tests know of names, and which addresses are dead.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Answers of lookups, the last one for ever.
    names: std::sync::Mutex<std::collections::BTreeMap<String, std::collections::VecDeque<SocketAddr>>>,
    dead: std::sync::Mutex<Vec<std::net::IpAddr>>,
}

#[cfg(test)]
impl Script {
    pub(crate) fn name(self, name: &str, answers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.names.lock().unwrap().insert(name.to_owned(), answers.into_iter().collect());
        self
    }

    pub(crate) fn bury(&self, address: std::net::IpAddr) {
        self.dead.lock().unwrap().push(address);
    }

    fn resolve(&self, address: &HostPort) -> Option<Vec<SocketAddr>> {
        let mut names = self.names.lock().unwrap();
        let answers = names.get_mut(&address.host)?;
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
        Some(answer.into_iter().collect())
    }

    fn is_dead(&self, address: std::net::IpAddr) -> bool {
        self.dead.lock().unwrap().contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn host(name: &str) -> HostPort {
        HostPort { host: name.to_owned(), port: 1 }
    }

    /// Which of three addresses are attempted when these are dead and these are the attempts that succeed.
    async fn attempted(
        probe: Option<Duration>,
        dead: &[&str],
        good: &[&str],
    ) -> (Option<String>, Vec<String>) {
        let hosts = ["127.1.0.1", "127.1.0.2", "127.1.0.3"];
        let script = Script::default();
        dead.iter().for_each(|dead| script.bury(dead.parse().unwrap()));
        let paths = Paths { probe, script: Some(Arc::new(script)) };
        let attempts: Arc<Mutex<Vec<String>>> = Arc::default();
        let outcome = paths.first_of(hosts.map(host).to_vec(), |_, address| {
            let (attempts, succeeds) = (Arc::clone(&attempts), good.contains(&address.host.as_str()));
            async move {
                attempts.lock().unwrap().push(address.host.clone());
                if succeeds { Ok(address.host) } else { Err(io::Error::other(address.host)) }
            }
        });
        let outcome = outcome.await.ok();
        let mut attempts = attempts.lock().unwrap().clone();
        attempts.sort();
        (outcome, attempts)
    }

    #[tokio::test]
    async fn what_can_be_reached_is_attempted_or_all() {
        let [a, b, c] = ["127.1.0.1", "127.1.0.2", "127.1.0.3"];
        let probe = Some(Duration::from_secs(20));
        assert_eq!(attempted(probe, &[a, b], &[c]).await, (Some(c.to_owned()), vec![c.to_owned()]));
        assert_eq!(attempted(probe, &[a, b], &[a]).await, (None, vec![c.to_owned()]), "refused is no reason");
        let all = vec![a.to_owned(), b.to_owned(), c.to_owned()];
        assert_eq!(attempted(probe, &[a, b, c], &[]).await, (None, all.clone()));
        assert_eq!(attempted(None, &[a, b, c], &[]).await, (None, all));
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let long = Duration::from_secs(20);
        assert!(Paths::default().answers(address, long).await);
        drop(listener);
        assert!(Paths::default().answers(address, long).await);
        // Nobody may dial the end of the address space.
        assert!(!Paths::default().answers(([255, 255, 255, 255], 1).into(), Duration::from_millis(50)).await);
    }
}
