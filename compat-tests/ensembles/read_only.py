"""Each of three servers is left alone in turn: it serves reads to those who accept that, until there is a leader again."""

import socket
import struct
import time

from ensemble import Ensemble, connect
from harness import four_letters
from proxy import Links
from wire import CLOSE_SESSION, CREATE, OPEN_ACL, SET_DATA, Client, Gone, text

SETTINGS = {"tickTime": 500, "initLimit": 20, "syncLimit": 4, "maxSessionTimeout": 40000, "localSessionsEnabled": "true"}
NOT_READ_ONLY = -119
DELETE, SYNC, MULTI = 2, 9, 14
WAIT = 40


def read_only(steps, kinds="RRR"):
    """Alone since the others stopped, then alone behind a cut network, while the others have a leader."""
    with Links(steps.seed) as links, Ensemble(steps.commands, kinds, SETTINGS, everywhere="-Dreadonlymode.enabled=true") as ensemble:
        ensemble.connect(links.route)
        steps.say(f"{kinds}: all serve after {ensemble.start():.1f} s, {ensemble.leader()} leads")
        client = connect(ensemble.leader())
        assert client.create("/kept", "here") == 0
        client.call(CLOSE_SESSION, b"")
        for member in ensemble.members:
            ensemble.settle()
            _left_alone(steps, ensemble, member)
            _cut_off(steps, ensemble, links, member)


def _left_alone(steps, ensemble, member):
    others = [other for other in ensemble.members if other is not member]
    for other in others:
        other.stop()
    took = _until("it serves reads only", lambda: isro(member) == "ro")
    assert "READ-ONLY mode; serving only read-only clients" in four_letters(member.port, "srvr")
    assert "Mode: read-only" in four_letters(member.port, "stat")
    assert "server_state\tread-only" in four_letters(member.port, "mntr")
    _refuses_a_writer(member)
    reader = Client(member.port, read_only=True)
    _reads_only(reader)
    _comes_back(member, reader)
    left = Client(member.port, read_only=True)
    for other in others:
        other.spawn()
    ensemble.wait()
    _is_closed(left)
    assert isro(member) == "rw" and four_letters(member.port, "srvr").count("READ-ONLY") == 0
    # The session of the mode is over with it.
    _expect_gone(lambda: Client(member.port, session=left.session, password=left.password))
    steps.say(f"{member} alone: reads served after {took:.1f} s, writes refused; {ensemble.leader()} leads again")


def _cut_off(steps, ensemble, links, member):
    """The others have a leader; whoever reads here finds them."""
    others = [other for other in ensemble.members if other is not member]
    for other in others:
        links.cut_both(member.number, other.number)
    _until("it serves reads only", lambda: isro(member) == "ro")
    _until("the others serve", lambda: {other.mode() for other in others} == {"leader", "follower"})
    reader = Client(member.port, read_only=True)
    assert reader.read_only and reader.get("/kept") == b"here"
    # As clients look for a server that takes writes: they ask each.
    found = next(other for other in others if isro(other) == "rw")
    writer = Client(found.port, read_only=True)
    assert not writer.read_only
    value = f"by {member.number} at {time.monotonic()}"
    assert writer.set("/kept", value) == 0
    assert reader.get("/kept") == b"here", "who is cut off cannot know"
    # Who has seen more is sent away: nobody reads backwards.
    links.heal()
    ensemble.wait()
    _is_closed(reader)
    ensemble.settle()
    again = connect(member)
    assert again.get("/kept") == value.encode()
    assert again.set("/kept", "here") == 0
    steps.say(f"{member} cut off: its reader finds {found}; {ensemble.leader()} leads, all whole")


def _reads_only(reader):
    assert reader.read_only and reader.get("/kept") == b"here" and "kept" in reader.children("/")
    path = text("/refused")
    writes = {
        CREATE: path + text("") + OPEN_ACL + struct.pack(">i", 0),
        SET_DATA: text("/kept") + text("") + struct.pack(">i", -1),
        DELETE: text("/kept") + struct.pack(">i", -1),
        SYNC: text("/"),
        MULTI: struct.pack(">ibi", DELETE, 0, -1) + text("/kept") + struct.pack(">i", -1) + struct.pack(">ibi", -1, 1, -1),
    }
    for op, body in writes.items():
        error, _ = reader.call(op, body)
        assert error == NOT_READ_ONLY, f"operation {op} is answered {error}"
    assert reader.get("/kept") == b"here"


def _comes_back(member, reader):
    """The session goes on over another connection, and is over once it is closed."""
    again = Client(member.port, read_only=True, session=reader.session, password=reader.password)
    assert again.session == reader.session and again.get("/kept") == b"here"
    assert again.call(CLOSE_SESSION, b"")[0] == 0
    _expect_gone(lambda: Client(member.port, read_only=True, session=reader.session, password=reader.password))


def _refuses_a_writer(member):
    _expect_gone(lambda: Client(member.port))


def _expect_gone(function):
    try:
        function()
    except Gone:
        return
    raise AssertionError("a client was let in that must not be")


def _is_closed(client):
    """The role that ends closes it, whatever is on its way before."""
    client.socket.settimeout(10)
    try:
        while client.socket.recv(4096):
            pass
    except socket.timeout:
        raise AssertionError("the connection of a role that ended stays open") from None
    except OSError:
        pass


def isro(member):
    return four_letters(member.port, "isro")


def _until(what, holds):
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > WAIT:
            raise AssertionError(f"after {WAIT} s not yet: {what}")
        time.sleep(0.1)
    return time.monotonic() - began
