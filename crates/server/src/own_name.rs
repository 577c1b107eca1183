//! Names of our own: in a container a server may start before its name has an address, so each port waits for it.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ensemble::HostPort;
use tokio::net::{TcpListener, lookup_host};
use tokio::time::sleep;

use crate::shell::listener::bind_to;

/// Between two lookups of a name that has no address.
pub(crate) const LOOKUP_EVERY: Duration = Duration::from_secs(1);
/// What does not change is said again after this time.
const SAY_AGAIN_EVERY: Duration = Duration::from_secs(60);

/// The addresses of a name as they are now; at least one.
pub(crate) async fn resolve(address: &HostPort) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = lookup_host((address.host.as_str(), address.port)).await?.collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found)
}

/// Looks again and again until the name has an address; says so in one line, and rarely once more.
pub(crate) async fn wait_for<F>(
    port: &str,
    address: &HostPort,
    every: Duration,
    mut resolve: impl FnMut() -> F,
) -> Vec<SocketAddr>
where
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    let mut said = SaidLately::default();
    loop {
        match resolve().await {
            Ok(found) => return found,
            Err(error) if said.is_due(Instant::now()) => {
                tracing::warn!(%address, "the {port} waits until this name has an address: {error}");
            }
            Err(error) => tracing::debug!(%address, "the {port} still waits for its name: {error}"),
        }
        sleep(every).await;
    }
}

/// Listens at the first of the addresses that can be bound. A machine without IPv6 has the wildcard of IPv4.
pub(crate) fn bind_first(candidates: Vec<SocketAddr>, backlog: i32) -> io::Result<TcpListener> {
    let listen = |address| TcpListener::from_std(bind_to(address, backlog)?);
    let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
    for candidate in candidates {
        outcome = listen(candidate);
        if outcome.is_err() && candidate.ip().is_unspecified() {
            outcome = listen(SocketAddr::from(([0, 0, 0, 0], candidate.port()))).or(outcome);
        }
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Whether something that does not change may be said again.
#[derive(Debug, Default)]
pub(crate) struct SaidLately(Option<Instant>);

impl SaidLately {
    /// True at first, and then once in a while.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|said| now.duration_since(said) >= SAY_AGAIN_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_looked_up_until_it_has_an_address() {
        let own = HostPort { host: "own".to_owned(), port: 7 };
        let mut lookups = 0;
        let found = wait_for("port", &own, Duration::ZERO, || {
            lookups += 1;
            let found = if lookups < 100 { None } else { Some(vec![([1, 2, 3, 4], 7).into()]) };
            std::future::ready(found.ok_or(io::ErrorKind::NotFound.into()))
        });
        assert_eq!(found.await, [([1, 2, 3, 4], 7).into()]);
        assert_eq!(lookups, 100);
    }

    #[test]
    fn what_does_not_change_is_said_rarely() {
        let (mut said, began) = (SaidLately::default(), Instant::now());
        let lines = (0..180).filter(|second| said.is_due(began + LOOKUP_EVERY * *second)).count();
        assert_eq!(lines, 3);
    }
}
