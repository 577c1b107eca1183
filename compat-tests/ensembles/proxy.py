"""A TCP proxy on every directed link between servers, so that what goes from one to another can be held back or delayed.

A cut holds bytes, ends of connections and new connections back, as a network that drops packets does: nobody is told."""

import asyncio
import random
import threading

from ensemble import steady_port

POLL = 0.01
CHUNK = 65536
# Longer than a new leader needs until it listens.
REFUSED_MAX = 1.0
# Chunks on the way of one direction of one connection.
ON_THE_WAY_MAX = 64


class Links:
    """`route` is for `Ensemble.connect`. Leaving the block closes every link."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.cuts, self.delays, self.servers = set(), {}, []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def route(self, one, other, port):
        """The port at which `one` finds `other`'s `port`."""
        link = steady_port()
        serve = asyncio.start_server(lambda reader, writer: self._connection(reader, writer, one, other, port), "127.0.0.1", link)
        self.servers.append(asyncio.run_coroutine_threadsafe(serve, self.loop).result(10))
        return link

    def cut(self, one, other):
        """Nothing goes from `one` to `other` any more."""
        self.cuts = self.cuts | {(one, other)}

    def cut_both(self, one, other):
        self.cut(one, other)
        self.cut(other, one)

    def delay(self, one, other, seconds):
        """Every chunk takes up to so long; the order within a connection stays."""
        self.delays = {**self.delays, (one, other): seconds}

    def heal(self):
        self.cuts, self.delays = set(), {}

    async def _connection(self, reader, writer, one, other, port):
        try:
            while {(one, other), (other, one)} & self.cuts:
                await asyncio.sleep(POLL)
            onward_reader, onward = await self._onward(port)
            await asyncio.gather(self._pump(reader, onward, (one, other)), self._pump(onward_reader, writer, (other, one)))
        except OSError:
            writer.transport.abort()
        except asyncio.CancelledError:
            pass  # The end of the scenario.

    async def _onward(self, port):
        """Whoever connects was accepted already, and cannot be refused as by a server that does not listen yet: so that is waited for."""
        end = self.loop.time() + REFUSED_MAX
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if self.loop.time() > end:
                    raise
                await asyncio.sleep(POLL)

    async def _pump(self, reader, writer, way):
        chunks = asyncio.Queue(ON_THE_WAY_MAX)
        deliver = asyncio.create_task(self._deliver(chunks, writer, way))
        try:
            while data := await reader.read(CHUNK):
                await chunks.put((self._due(way), data))
        except OSError:
            pass
        await chunks.put((self._due(way), b""))
        await deliver

    def _due(self, way):
        longest = self.delays.get(way)
        return self.loop.time() + (self.random.uniform(0, longest) if longest else 0)

    async def _deliver(self, chunks, writer, way):
        data = None
        while data != b"":
            due, data = await chunks.get()
            await asyncio.sleep(max(0, due - self.loop.time()))
            while way in self.cuts:
                await asyncio.sleep(POLL)
            try:
                if data and not writer.transport.is_closing():
                    writer.write(data)
                    await writer.drain()
            except OSError:
                pass  # The reader of the other way is told of it.
        writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        async def end():
            for server in self.servers:
                server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
