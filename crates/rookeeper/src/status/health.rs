//! What the servers that were asked come to.

use jute::Zxid;

use super::answers::Told;

/// How the ensemble is; the exit code of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// All that were asked serve, behind one leader, which may leave clients to the others.
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
    let leads_silently = may_lead_silently(asked);
    for (address, told) in asked {
        let Some(told) = told else {
            why.push(format!("{address} does not answer"));
            continue;
        };
        match told.mode.as_deref() {
            None if leads_silently == Some(address) => {}
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
    why.extend(leads_silently.map(|address| format!("{address} leads without clients, or has no leader")));
    (health, why)
}

/// The only one that serves nobody, where others follow and nobody says that it leads: with `leaderServes=no` a leader
/// answers like a server that has none.
pub(super) fn may_lead_silently(asked: &[(String, Option<Told>)]) -> Option<&str> {
    let with_mode = |mode: Option<&'static str>| {
        asked.iter().filter(move |(_, told)| told.as_ref().is_some_and(|told| told.mode.as_deref() == mode))
    };
    let mut silent = with_mode(None);
    let (address, _) = silent.next()?;
    let has_leader = with_mode(Some("leader")).next().is_some();
    let has_follower = with_mode(Some("follower")).next().is_some();
    (silent.next().is_none() && has_follower && !has_leader).then_some(address.as_str())
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
            (
                vec![told("", 1), follower.clone(), told("observer", 4)],
                Health::Well,
                vec!["s0 leads without clients, or has no leader"],
            ),
            (
                vec![told("", 1), follower.clone(), None],
                Health::Degraded,
                vec!["s2 does not answer", "s0 leads without clients, or has no leader"],
            ),
            (
                vec![told("", 1), follower.clone(), told("", 1)],
                Health::Degraded,
                vec![
                    "s0 runs and serves nobody: it has no leader",
                    "s2 runs and serves nobody: it has no leader",
                ],
            ),
            (
                vec![told("", 1), leader.clone(), follower.clone()],
                Health::Degraded,
                vec!["s0 runs and serves nobody: it has no leader"],
            ),
            (vec![told("", 1)], Health::Down, vec!["s0 runs and serves nobody: it has no leader"]),
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
