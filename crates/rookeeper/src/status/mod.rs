//! `rookeeper status`: one table of the servers of an ensemble, from four-letter words; the exit code tells health.
//!
//! `srvr` is answered by every server with its default settings; `mntr` (sessions) and `conf` (ids, the other members) only
//! where `4lw.commands.whitelist` allows them, and what they would say is `-` where it does not.

mod answers;
mod ask;
mod health;

use std::process::ExitCode;
use std::time::Duration;

use answers::Told;

use crate::text::say;

/// Whom to ask, and how to say it.
#[derive(Debug, clap::Args)]
pub(crate) struct Question {
    /// Servers, host:port, separated by commas.
    #[arg(default_value = "127.0.0.1:2181")]
    pub(crate) servers: String,
    /// Also all other members that `conf` of one of these lists.
    #[arg(long)]
    pub(crate) all: bool,
    /// One JSON object a line, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    /// Time for each server's answers, in milliseconds.
    #[arg(long, default_value_t = 3000)]
    pub(crate) timeout: u64,
}

/// One server: as whom it was found, where its clients go, what it told.
#[derive(Debug)]
struct Row {
    id: Option<i64>,
    listed_as: Option<&'static str>,
    address: String,
    told: Option<Told>,
}

/// Asks, prints, judges. Exit code: 0 all serve; 1 some do not; 2 nobody serves.
pub(crate) fn main(question: &Question) -> ExitCode {
    let within = Duration::from_millis(question.timeout);
    let mut rows =
        ask_all(question.servers.split(',').map(with_port).map(|address| (None, None, address)), within);
    if question.all
        && let Err(why) = add_members(&mut rows, within)
    {
        eprintln!("{why}");
        return ExitCode::from(health::Health::Degraded as u8);
    }
    rows.sort_by_key(|row| (row.id.is_none(), row.id));
    let asked: Vec<_> = rows.iter().map(|row| (row.address.clone(), row.told.clone())).collect();
    if question.json {
        print_json(&rows, &asked)
    } else {
        print_table(&rows, &asked)
    }
    let (health, why) = health::judge(&asked);
    for reason in why {
        eprintln!("{reason}");
    }
    ExitCode::from(health as u8)
}

fn with_port(server: &str) -> String {
    let server = server.trim();
    let has_port =
        server.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
    if has_port { server.to_owned() } else { format!("{server}:2181") }
}

type Whom = (Option<i64>, Option<&'static str>, String);

fn ask_all(whom: impl Iterator<Item = Whom>, within: Duration) -> Vec<Row> {
    std::thread::scope(|scope| {
        let ask = |(id, listed_as, address): Whom| {
            let asked = address.clone();
            let answer = scope.spawn(move || ask::ask(&asked, within));
            (Row { id, listed_as, address, told: None }, answer)
        };
        let asked: Vec<_> = whom.map(ask).collect();
        let answered = asked.into_iter().map(|(row, answer)| {
            let told = answer.join().unwrap_or_default();
            Row { id: row.id.or_else(|| told.as_ref()?.id), told, ..row }
        });
        answered.collect()
    })
}

/// Asks the members that one of the servers lists and that were not asked yet.
fn add_members(rows: &mut Vec<Row>, within: Duration) -> Result<(), String> {
    let listing = rows.iter().find_map(|row| {
        let members = &row.told.as_ref()?.members;
        let port = row.address.rsplit_once(':')?.1.parse().ok()?;
        (!members.is_empty()).then(|| (port, members.clone()))
    });
    let Some((port, members)) = listing else {
        if rows
            .iter()
            .any(|row| row.told.as_ref().is_some_and(|told| told.mode.as_deref() == Some("standalone")))
        {
            return Ok(());
        }
        return Err("nobody tells who the members are: none of the servers answers `conf` \
                    (4lw.commands.whitelist); name them: rookeeper status host:port,host:port"
            .to_owned());
    };
    for member in &members {
        if let Some(row) = rows.iter_mut().find(|row| row.id == Some(member.id.0)) {
            row.listed_as = Some(answers::role(member));
        }
    }
    let known: Vec<_> = rows.iter().filter_map(|row| row.id).collect();
    let others = members.iter().filter(|member| !known.contains(&member.id.0)).filter_map(|member| {
        Some((Some(member.id.0), Some(answers::role(member)), answers::client_address(member, port)?))
    });
    rows.retain(|row| row.id.is_some() || row.told.is_some());
    rows.extend(ask_all(others, within));
    Ok(())
}

const HEADINGS: [&str; 9] =
    ["id", "address", "role", "zxid", "epoch", "lag", "sessions", "version", "server"];

fn print_table(rows: &[Row], asked: &[(String, Option<Told>)]) {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| cells(row, asked)));
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(|column| width(column).unwrap_or(0)).collect();
    for line in &lines {
        let padded: Vec<_> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        say!("{}", padded.join("  ").trim_end());
    }
}

fn print_json(rows: &[Row], asked: &[(String, Option<Told>)]) {
    for row in rows {
        let pairs = HEADINGS.iter().zip(cells(row, asked));
        let object: serde_json::Map<_, _> =
            pairs.map(|(key, cell)| ((*key).to_owned(), serde_json::Value::String(cell))).collect();
        say!("{}", serde_json::Value::Object(object));
    }
}

fn cells(row: &Row, asked: &[(String, Option<Told>)]) -> [String; 9] {
    let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    let told = row.told.as_ref();
    let role = match told {
        None => format!("{} (no answer)", row.listed_as.unwrap_or("?")),
        Some(Told { mode: None, .. }) => {
            let may_lead = health::may_lead_silently(asked) == Some(&row.address);
            let state = if may_lead { "leading or looking" } else { "looking" };
            format!("{} ({state})", row.listed_as.unwrap_or("?"))
        }
        Some(Told { mode: Some(mode), .. }) => mode.clone(),
    };
    let zxid = told.and_then(|told| told.zxid);
    let kind = told.filter(|told| told.version.is_some());
    [
        or_dash(row.id.map(|id| id.to_string())),
        row.address.clone(),
        role,
        or_dash(zxid.map(|zxid| format!("{:#x}", zxid))),
        or_dash(zxid.map(|zxid| jute::Zxid(zxid).epoch().to_string())),
        or_dash(told.and_then(|told| health::lag(told, asked))),
        or_dash(told.and_then(|told| told.sessions).map(|count| count.to_string())),
        or_dash(told.and_then(|told| told.version.clone())),
        or_dash(kind.map(|told| if told.is_rookeeper() { "Rookeeper" } else { "Apache" }.to_owned())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_port_has_the_usual_one() {
        for (given, wanted) in [
            ("h", "h:2181"),
            (" h:1 ", "h:1"),
            ("[::1]", "[::1]:2181"),
            ("[::1]:5", "[::1]:5"),
            ("10.0.0.1", "10.0.0.1:2181"),
        ] {
            assert_eq!(with_port(given), wanted);
        }
    }

    #[test]
    fn a_row_says_what_is_known() {
        let told = Told {
            mode: Some("leader".into()),
            zxid: Some(0x3_0000_0001),
            version: Some("3.9.5-rookeeper-0.1.0".into()),
            sessions: Some(2),
            id: Some(1),
            members: vec![],
        };
        let row =
            Row { id: Some(1), listed_as: Some("voter"), address: "h:1".into(), told: Some(told.clone()) };
        let asked = vec![("h:1".to_owned(), Some(told))];
        let line = cells(&row, &asked).join(" ");
        assert_eq!(line, "1 h:1 leader 0x300000001 3 0 2 3.9.5-rookeeper-0.1.0 Rookeeper");
        let silent = Row { id: Some(2), listed_as: Some("observer"), address: "h:2".into(), told: None };
        assert_eq!(cells(&silent, &asked).join(" "), "2 h:2 observer (no answer) - - - - - -");
    }
}
