use super::*;
use crate::quorum::mesh::settings::MeshSettings;

/// A table of server 5 in an ensemble of 1, 5 and 9, and a clock.
struct World {
    table: Table,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self::with(true)
    }

    fn with(dials_back_non_members: bool) -> Self {
        let mut settings = MeshSettings::new(ServerId(5), vec![address("own")], Duration::ZERO);
        settings.dials_back_non_members = dials_back_non_members;
        let now = Instant::now();
        Self { table: Table::new(&settings, members(&[1, 5, 9]), now), now }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn send(&mut self, to: i64, message: &'static str) -> Option<DialOrder> {
        self.table.queue(ServerId(to), Bytes::from_static(message.as_bytes()))
    }

    fn arrive(&mut self, from: i64) -> Arrival {
        let initial = InitialMessage { sender: ServerId(from), addresses: vec![address("sent")] };
        self.table.arrive(initial, remote(), self.now)
    }

    fn keep(&mut self, from: i64) -> Seat {
        let arrival = self.arrive(from);
        let Arrival::Keep(seat) = arrival else { panic!("{from}: {arrival:?}") };
        seat
    }

    fn refusal(&mut self, from: i64) -> Option<Refusal> {
        match self.arrive(from) {
            Arrival::Refuse(why) => Some(why),
            Arrival::Keep(_) | Arrival::DialBack(_) => None,
        }
    }

    fn attempt(&mut self, order: &DialOrder) -> Attempt {
        self.table.attempt(order, self.now)
    }

    /// Tries and fails; how long the task would wait.
    fn fail(&mut self, order: &DialOrder) -> Duration {
        assert!(matches!(self.attempt(order), Attempt::Now(_)));
        self.table.retry_at(order, self.now).expect("it is still wanted") - self.now
    }

    fn next(&mut self, seat: &Seat, is_first: bool) -> Result<Option<String>, Gone> {
        let message = self.table.next_message(seat.id, is_first)?;
        Ok(message.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()))
    }
}

fn members(ids: &[i64]) -> Members {
    ids.iter().map(|id| (ServerId(*id), vec![address(&format!("configured-{id}"))])).collect()
}

fn address(host: &str) -> HostPort {
    HostPort { host: host.to_owned(), port: 3888 }
}

fn remote() -> SocketAddr {
    "10.0.0.1:7".parse().unwrap()
}

fn text(message: &str) -> Option<String> {
    Some(message.to_owned())
}

fn is_over(seat: &mut Seat) -> bool {
    matches!(seat.ended.try_recv(), Err(oneshot::error::TryRecvError::Closed))
}

#[test]
fn a_failing_peer_is_dialled_ever_more_rarely_and_at_once_when_asked() {
    let mut world = World::new();
    let order = world.send(1, "vote").unwrap();
    assert_eq!(world.attempt(&order), Attempt::Now(vec![address("configured-1")]));
    let min = world.now + DIAL_DELAY_MIN;
    let mut delays = vec![world.table.retry_at(&order, world.now).unwrap() - world.now];
    while delays.last() != Some(&DIAL_DELAY_MAX) {
        world.pass(*delays.last().unwrap());
        delays.push(world.fail(&order));
    }
    let ms: Vec<u128> = delays.iter().map(Duration::as_millis).collect();
    assert_eq!(ms, [50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000]);
    assert!(world.now >= min);
    // Asked for once more right after an attempt: not before the shortest delay, but then.
    assert!(world.send(1, "again").is_none());
    assert_eq!(world.attempt(&order), Attempt::At(world.now + DIAL_DELAY_MIN));
    world.pass(DIAL_DELAY_MIN);
    assert_eq!(world.fail(&order), DIAL_DELAY_MAX);
    // Success starts it all over.
    world.pass(DIAL_DELAY_MAX);
    assert!(matches!(world.attempt(&order), Attempt::Now(_)));
    let seat = world.table.dialled(&order, remote(), world.now).unwrap();
    assert_eq!(world.table.unlink(seat.id).map(|order| order.to), Some(ServerId(1)), "a message still waits");
}

#[test]
fn an_order_ends_when_there_is_a_connection() {
    let mut world = World::new();
    let order = world.send(9, "vote").unwrap();
    assert!(matches!(world.attempt(&order), Attempt::Now(_)));
    assert!(world.table.is_still_wanted(&order));
    assert!(
        world.table.dialled(&order, remote(), world.now).is_none(),
        "the larger id keeps, and it is not ours"
    );
    world.keep(9);
    assert!(!world.table.is_still_wanted(&order));
    assert_eq!(world.table.retry_at(&order, world.now), None);
    assert_eq!(world.attempt(&order), Attempt::Never);
    assert!(world.send(9, "vote").is_none());
    assert!(world.table.connect_all().is_empty());
}

#[test]
fn one_message_waits_and_the_last_one_is_said_again() {
    let mut world = World::new();
    assert!(!world.table.has_delivered());
    let order = world.send(9, "old").unwrap();
    assert!(world.send(9, "new").is_none(), "one order at a time");
    assert!(!world.table.has_delivered());
    let seat = world.keep(9);
    assert_eq!(world.next(&seat, true), Ok(text("new")));
    assert_eq!(world.next(&seat, false), Ok(None));
    assert!(world.table.has_delivered());
    assert!(world.table.unlink(seat.id).is_none(), "nothing waits");
    let seat = world.keep(9);
    assert_eq!(world.next(&seat, true), Ok(text("new")));
    drop((seat, order));
    let seat = world.keep(9);
    world.send(9, "newer");
    assert_eq!(world.next(&seat, true), Ok(text("newer")), "what waits goes first, alone");
    assert_eq!(world.next(&seat, false), Ok(None));
}

#[test]
fn a_connection_that_was_replaced_has_no_say() {
    let mut world = World::new();
    let mut old = world.keep(9);
    let mut new = world.keep(9);
    assert!(is_over(&mut old) && !is_over(&mut new));
    assert_eq!(world.next(&old, true), Err(Gone));
    assert_eq!(world.table.heard(old.id, world.now), Err(Gone));
    assert!(world.table.unlink(old.id).is_none());
    assert!(world.table.is_connected(ServerId(9)));
    assert_eq!(world.table.heard(new.id, world.now), Ok(true));
    world.table.unlink(new.id);
    assert!(!world.table.is_connected(ServerId(9)));
}

#[test]
fn a_smaller_member_that_dials_is_dialled_at_its_configured_address() {
    let mut world = World::new();
    let order = world.send(1, "vote").unwrap();
    assert!(matches!(world.attempt(&order), Attempt::Now(_)));
    let mut seat = world.table.dialled(&order, remote(), world.now).unwrap();
    world.pass(DIAL_DELAY_MIN);
    let Arrival::DialBack(Some(order)) = world.arrive(1) else { panic!("not dialled back") };
    assert!(is_over(&mut seat), "it has forgotten that connection");
    assert!(matches!(world.arrive(1), Arrival::DialBack(None)), "it is being dialled");
    assert_eq!(world.attempt(&order), Attempt::Now(vec![address("configured-1")]));
    assert!(order.is_configured());
}

#[test]
fn refusals_say_why() {
    let rows = [
        (true, 5, Some(Refusal::OurId)),
        (true, -1, Some(Refusal::NegativeId)),
        (true, i64::MIN, Some(Refusal::NegativeId)),
        (true, 2, None),
        (false, 2, Some(Refusal::NoDialBack)),
        (false, 1, None),
        (false, 7, None),
        (false, i64::MAX, None),
    ];
    for (dials_back, from, expected) in rows {
        assert_eq!(World::with(dials_back).refusal(from), expected, "{from}");
    }
    let mut world = World::new();
    let bare = |sender| InitialMessage { sender: ServerId(sender), addresses: Vec::new() };
    let arrival = world.table.arrive(bare(2), remote(), world.now);
    assert!(matches!(arrival, Arrival::Refuse(Refusal::NoAddress)), "{arrival:?}");
    let arrival = world.table.arrive(bare(1), remote(), world.now);
    assert!(matches!(arrival, Arrival::DialBack(Some(_))), "{arrival:?}");
}

#[test]
fn addresses_that_non_members_send_are_dialled_once_and_rarely() {
    let mut world = World::new();
    let Arrival::DialBack(Some(order)) = world.arrive(2) else { panic!("not dialled back") };
    assert_eq!(world.attempt(&order), Attempt::Now(vec![address("sent")]));
    assert!(!order.is_configured());
    assert!(matches!(world.arrive(2), Arrival::DialBack(None)));
    assert_eq!(world.table.retry_at(&order, world.now), None, "one attempt");
    assert_eq!(world.attempt(&order), Attempt::Never);
    let dialled = |world: &mut World| matches!(world.arrive(2), Arrival::DialBack(Some(_)));
    let mut count = 1;
    while dialled(&mut world) {
        count += 1;
        world.table.set_members(members(&[1, 5, 9]));
    }
    assert_eq!(count, DIAL_BACK_BURST);
    assert_eq!(world.refusal(2), Some(Refusal::TooOften));
    world.pass(DIAL_BACK_EVERY);
    assert!(dialled(&mut world));
}

#[test]
fn non_members_have_few_places_and_the_one_silent_longest_goes() {
    let mut world = World::new();
    let mut member = world.keep(9);
    let mut guests = Vec::new();
    for id in 0..NON_MEMBERS_MAX {
        world.pass(NON_MEMBER_EVERY);
        guests.push(world.keep(100 + i64::try_from(id).unwrap()));
    }
    world.pass(NON_MEMBER_EVERY);
    assert_eq!(world.table.heard(guests[0].id, world.now), Ok(false));
    let observer = world.keep(i64::MAX);
    assert_eq!(observer.id.peer, ServerId(-1));
    let over: Vec<usize> = (0..guests.len()).filter(|at| is_over(&mut guests[*at])).collect();
    assert_eq!(over, [1], "the first was heard, the second is the most silent");
    assert!(!is_over(&mut member));
    assert!(!world.table.peers.contains_key(&guests[1].id.peer), "nothing is left of it");
    world.keep(100);
    assert!((0..guests.len()).filter(|at| is_over(&mut guests[*at])).eq([0, 1]), "a place of its own");
}

#[test]
fn non_members_cannot_come_faster_than_their_rate() {
    let mut world = World::new();
    for _ in 0..NON_MEMBER_BURST {
        assert_eq!(world.refusal(100), None);
    }
    assert_eq!(world.refusal(100), Some(Refusal::TooOften));
    assert_eq!(world.refusal(9), None, "members have no rate");
    world.pass(NON_MEMBER_EVERY);
    assert_eq!(world.refusal(100), None);
}

#[test]
fn a_full_house_of_servers_being_dialled_takes_nobody() {
    let mut world = World::new();
    world.table.me = ServerId(1000);
    for id in 0..NON_MEMBERS_MAX {
        world.pass(DIAL_BACK_EVERY);
        assert_eq!(world.refusal(100 + i64::try_from(id).unwrap()), None);
    }
    world.pass(DIAL_BACK_EVERY);
    assert_eq!(world.refusal(2000), Some(Refusal::Full));
}

#[test]
fn nothing_is_kept_for_who_is_no_member_and_not_connected() {
    let mut world = World::new();
    assert!(world.send(7, "vote").is_none());
    assert!(world.table.peers.is_empty());
    let seat = world.keep(7);
    assert!(world.send(7, "vote").is_none());
    assert_eq!(world.next(&seat, true), Ok(text("vote")));
    world.send(7, "another");
    assert!(world.table.unlink(seat.id).is_none());
    assert!(world.table.peers.is_empty());
}

#[test]
fn other_members_end_orders_but_no_connections() {
    let mut world = World::new();
    let order = world.send(1, "vote").unwrap();
    let mut seat = world.keep(9);
    world.table.set_members(members(&[5, 7]));
    assert_eq!(world.attempt(&order), Attempt::Never);
    assert!(world.table.dialled(&order, remote(), world.now).is_none());
    assert!(!is_over(&mut seat));
    assert_eq!(world.table.heard(seat.id, world.now), Ok(false), "a non-member now");
    assert!(world.send(7, "vote").is_some());
    assert!(world.table.connect_all().is_empty(), "it is being dialled, and 9 is connected");
}

#[test]
fn all_that_were_sent_something_are_asked_for_again() {
    let mut world = World::new();
    let seat = world.keep(9);
    world.send(9, "vote");
    assert_eq!(world.next(&seat, true), Ok(text("vote")));
    world.table.unlink(seat.id);
    let orders = world.table.connect_all();
    assert_eq!(orders.iter().map(|order| order.to).collect::<Vec<_>>(), [ServerId(9)]);
}

#[test]
fn the_same_failure_is_news_once() {
    let mut world = World::new();
    let order = world.send(1, "vote").unwrap();
    let news = ["refused", "refused", "timed out", "refused"].map(|why| world.table.is_news(&order, why));
    assert_eq!(news, [true, false, true, true]);
}

#[test]
fn the_connection_to_one_of_several_addresses_is_checked_and_goes_when_it_is_dead() {
    let mut world = World::new();
    let seat = world.keep(9);
    assert_eq!(world.table.begin_check(ServerId(9)), None, "one address is the only way");
    let at = |host: &str, port| HostPort { host: host.to_owned(), port };
    let several = vec![at("a", 3889), at("b", 3888), at("c", 3889)];
    world.table.set_members(BTreeMap::from([(ServerId(9), several)]));
    assert_eq!(world.table.begin_check(ServerId(1)), None, "no connection");
    let check = world.table.begin_check(ServerId(9)).unwrap();
    let ports = [3888, 3889].map(|port| SocketAddr::new(seat.remote.ip(), port));
    assert_eq!((check.id, check.places), (seat.id, ports.to_vec()), "whichever of them is at its end");
    assert_eq!(world.table.begin_check(ServerId(9)), None, "one question at a time");
    assert!(world.table.end_check(check.id, true).is_none());
    let check = world.table.begin_check(ServerId(9)).unwrap();
    assert!(world.table.is_connected(ServerId(9)));
    assert!(world.table.end_check(check.id, false).is_some(), "it is dialled anew");
    assert!(!world.table.is_connected(ServerId(9)));
    assert!(world.table.end_check(check.id, false).is_none(), "the connection is gone already");
}
