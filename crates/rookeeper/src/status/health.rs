//! What the servers that were asked come to.

use jute::Zxid;

use super::answers::Told;

/// How the ensemble is; the exit code of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// All that were asked serve, behind one leader.
    Well = 0,
    /// It serves, and some do not, or do not agree.
    Degraded = 1,
    /// Nobody that was asked serves reads and writes.
    Down = 2,
}

/// The verdict, and why it is no better.
pub(super) fn judge(asked: &[(String, Option<Told>)]) -> (Health, Vec<String>) {
    let mut why = Vec::new();
    let mut serving = 0;
    let mut heads: Vec<(&str, i64)> = Vec::new();
    for (address, told) in asked {
        let Some(told) = told else {
            why.push(format!("{address} does not answer"));
            continue;
        };
        match told.mode.as_deref() {
            None => why.push(format!("{address} runs and serves nobody: it has no leader")),
            Some("read-only") => why.push(format!("{address} serves reads only: it has no leader")),
            Some(mode) => {
                serving += 1;
                if mode == "leader" || mode == "standalone" {
                    heads.push((address, told.zxid.unwrap_or(0)));
                }
            }
        }
    }
    if heads.len() > 1 {
        let names: Vec<_> = heads.iter().map(|(address, _)| *address).collect();
        why.push(format!("{} each lead, or stand alone", names.join(" and ")));
    }
    let health = match serving {
        0 => Health::Down,
        _ if why.is_empty() => Health::Well,
        _ => Health::Degraded,
    };
    (health, why)
}

/// How many transactions a server is behind the leader, as far as the moment of asking tells.
pub(super) fn lag(told: &Told, asked: &[(String, Option<Told>)]) -> Option<String> {
    let is_leader = |told: &&Told| told.mode.as_deref() == Some("leader");
    let leader = Zxid(asked.iter().filter_map(|(_, told)| told.as_ref()).find(is_leader)?.zxid?);
    let own = Zxid(told.zxid?);
    if own.epoch() < leader.epoch() {
        return Some("older epoch".to_owned());
    }
    Some((leader.0 - own.0).max(0).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(mode: &str, zxid: i64) -> Option<Told> {
        let mode = Some(mode.to_owned()).filter(|mode| !mode.is_empty());
        Some(Told { mode, zxid: Some(zxid), ..Told::default() })
    }

    fn asked(servers: &[Option<Told>]) -> Vec<(String, Option<Told>)> {
        servers.iter().enumerate().map(|(index, told)| (format!("s{index}"), told.clone())).collect()
    }

    #[test]
    fn health_is_told_with_its_reasons() {
        let leader = told("leader", 5);
        let follower = told("follower", 5);
        for (servers, health, why) in [
            (vec![leader.clone(), follower.clone()], Health::Well, vec![]),
            (vec![follower.clone()], Health::Well, vec![]),
            (vec![told("standalone", 1)], Health::Well, vec![]),
            (vec![leader.clone(), None], Health::Degraded, vec!["s1 does not answer"]),
            (
                vec![leader.clone(), told("", 1)],
                Health::Degraded,
                vec!["s1 runs and serves nobody: it has no leader"],
            ),
            (vec![told("read-only", 1)], Health::Down, vec!["s0 serves reads only: it has no leader"]),
            (vec![leader.clone(), leader], Health::Degraded, vec!["s0 and s1 each lead, or stand alone"]),
            (vec![None], Health::Down, vec!["s0 does not answer"]),
        ] {
            let judged = judge(&asked(&servers));
            assert_eq!(judged, (health, why.into_iter().map(str::to_owned).collect()));
        }
    }

    #[test]
    fn lag_counts_transactions_within_an_epoch() {
        let servers = asked(&[
            told("leader", 0x2_0000_0009),
            told("follower", 0x2_0000_0007),
            told("observer", 0x1_0000_0063),
        ]);
        let lags: Vec<_> = servers.iter().map(|(_, told)| lag(told.as_ref().unwrap(), &servers)).collect();
        assert_eq!(lags.iter().flatten().collect::<Vec<_>>(), ["0", "2", "older epoch"]);
        assert_eq!(lag(&Told { zxid: Some(1), ..Told::default() }, &[]), None);
    }
}
