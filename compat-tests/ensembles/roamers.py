"""Many clients with local sessions, in one event loop, each of which knows what became of its ephemerals."""

import asyncio
import random
import struct

from wire import CLOSE_SESSION, CREATE, OPEN_ACL, text

EXISTS, PING, EPHEMERAL = 3, 11, 1
SESSION_MS = 12000
ANSWER_MAX = 15.0
# A session that was away for less is still there, if all servers know it.
SURELY_ALIVE = 0.6 * SESSION_MS / 1000


class Link:
    """One connection; requests may follow each other without waiting."""

    def __init__(self, reader, writer):
        self.reader, self.writer, self.xid = reader, writer, 0

    @classmethod
    async def open(cls, port, session, password):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        link = cls(reader, writer)
        link._send(struct.pack(">iqiqi", 0, 0, SESSION_MS, session, 16) + password + b"\0")
        reply = await link.frame()
        timeout, session = struct.unpack(">iq", reply[4:16])
        if timeout <= 0:
            link.close()
            return None, 0, b""
        return link, session, reply[20:36]

    def _send(self, body):
        self.writer.write(struct.pack(">i", len(body)) + body)

    async def frame(self):
        async with asyncio.timeout(ANSWER_MAX):
            length = struct.unpack(">i", await self.reader.readexactly(4))[0]
            return await self.reader.readexactly(length)

    def ask(self, op, body=b""):
        self.xid += 1
        self._send(struct.pack(">ii", self.xid, op) + body)

    async def answer(self):
        """The error code of the next reply that is none to a ping."""
        while True:
            xid, _, error = struct.unpack(">iqi", (await self.frame())[:16])
            if xid != -2:
                return error

    async def ping(self):
        self._send(struct.pack(">ii", -2, PING))
        await self.frame()

    def close(self):
        self.writer.transport.abort()


class Roamer:
    """One session after another. `nodes` of a session are acknowledged (True) or of unknown outcome (False)."""

    def __init__(self, crowd, number):
        self.crowd, self.number, self.random = crowd, number, random.Random(crowd.seed * 100_003 + number)
        self.link, self.session, self.password, self.nodes, self.made = None, 0, bytes(16), {}, 0
        # The end was asked for, and may have come whatever was heard of it.
        self.is_ending, self.away_since = False, 0.0

    async def run(self):
        while not self.crowd.is_over:
            try:
                await self._once()
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self._lose()
            await asyncio.sleep(self.random.uniform(0.2, 2.5))

    async def _once(self):
        if self.link is None:
            return await self._connect()
        choice = self.random.random()
        if choice < 0.55:
            return await self.link.ping()
        if choice < 0.80:
            return await self._create(1)
        if choice < 0.86:
            return await self._create(2)
        if choice < 0.92:
            return await self._create(1, and_close=True)
        if choice < 0.96:
            return await self._close()
        # Gone in the middle of what it asked for: it comes back elsewhere with what it has.
        self._ask_to_create()
        await self.link.writer.drain()
        self._lose()

    def _ask_to_create(self):
        self.made += 1
        path = f"/e-{self.number}-{self.made}"
        self.link.ask(CREATE, text(path) + text("") + OPEN_ACL + struct.pack(">i", EPHEMERAL))
        self.nodes[path] = False
        return path

    async def _create(self, count, and_close=False):
        asked = [self._ask_to_create() for _ in range(count)]
        if and_close:
            self._ask_to_end()
        for path in asked:
            error = await self.link.answer()
            if error:
                self.crowd.problem(f"create of {path} by 0x{self.session:x} is answered {error}")
                del self.nodes[path]
            else:
                self.nodes[path] = True
                self.crowd.created += 1
        if and_close:
            await self._ended()

    async def _close(self):
        self._ask_to_end()
        await self._ended()

    def _ask_to_end(self):
        self.is_ending = True
        self.link.ask(CLOSE_SESSION)

    async def _ended(self):
        error = await self.link.answer()
        if error:
            self.crowd.problem(f"the end of 0x{self.session:x} is answered {error}")
        self.link.close()
        self.crowd.closed += 1
        self._forget()

    def _lose(self):
        if self.link:
            self.link.close()
            self.away_since = asyncio.get_running_loop().time()
        self.link = None

    def _forget(self):
        """The session is over: none of its nodes may outlive it."""
        self.crowd.over.update(self.nodes)
        self.link, self.session, self.password, self.nodes = None, 0, bytes(16), {}
        self.is_ending = False

    async def _connect(self):
        port = self.random.choice(self.crowd.ports)
        was = self.session
        link, session, password = await Link.open(port, self.session, self.password)
        if link:
            self.link, self.session, self.password = link, session, password
            self.crowd.moved += was == session
            return
        away = asyncio.get_running_loop().time() - self.away_since
        if True in self.nodes.values() and not self.is_ending and away < SURELY_ALIVE:
            self.crowd.problem(f"0x{was:x} with acknowledged ephemerals is gone after {away:.1f} s: {sorted(self.nodes)[:3]}")
        self.crowd.refused += 1
        self._forget()

    async def rest(self):
        """Stays alive without doing anything else."""
        while self.crowd.is_over and not self.crowd.is_checked:
            try:
                if self.link is None:
                    await self._connect()
                else:
                    await self.link.ping()
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self._lose()
            await asyncio.sleep(SESSION_MS / 4000)


class Crowd:
    """All of them, and what they found wrong."""

    def __init__(self, ports, count, seed):
        self.ports, self.seed, self.problems, self.over = ports, seed, [], set()
        self.created = self.closed = self.moved = self.refused = 0
        self.is_over = self.is_checked = False
        self.roamers = [Roamer(self, number) for number in range(count)]

    def problem(self, text):
        self.problems.append(text)

    async def run(self):
        await asyncio.gather(*(roamer.run() for roamer in self.roamers))

    async def rest(self):
        await asyncio.gather(*(roamer.rest() for roamer in self.roamers))

    def alive(self):
        """The sessions that are there, with their nodes."""
        return {roamer.session: roamer.nodes for roamer in self.roamers if roamer.link}

    def __str__(self):
        return (f"{self.created} ephemerals acknowledged, {self.closed} sessions closed, {self.moved} times a session moved, "
                f"{self.refused} were gone")
