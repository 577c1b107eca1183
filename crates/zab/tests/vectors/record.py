"""Records what Apache ZooKeeper's servers say to each other:  record.py SERVER OUT
SERVER starts a server in the foreground on a zoo.cfg (compat-tests/scripts/apache-server). Each learner reaches each leader through a
proxy of its own, which writes both directions of every connection into the folder OUT."""
import os, pathlib, socket, struct, subprocess, sys, tempfile, threading, time

server, out = sys.argv[1], pathlib.Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
root = pathlib.Path(tempfile.mkdtemp())
BASE = 27800
label = ["start"]
mute = threading.Event()  # while it is set, learners get nothing from leaders
counts = {}


def quorum(peer): return BASE + peer
def election(peer): return BASE + 10 + peer
def client(peer): return BASE + 20 + peer
def proxied(learner, leader): return BASE + 100 + learner * 10 + leader


def pump(source, sink, path, mute=threading.Event()):
    with open(path, "ab", buffering=0) as file:
        try:
            while data := source.recv(65536):
                if mute.is_set(): continue
                file.write(data)
                sink.sendall(data)
        except OSError:
            pass
    for end in (source, sink):
        try: end.shutdown(socket.SHUT_RDWR)
        except OSError: pass


def proxy(learner, leader):
    listener = socket.create_server(("127.0.0.1", proxied(learner, leader)))
    while True:
        down, _ = listener.accept()
        try: up = socket.create_connection(("127.0.0.1", quorum(leader)))
        except OSError:
            down.close()
            continue
        name = f"{label[0]}-{learner}"
        counts[name] = counts.get(name, 0) + 1
        name = out / (name if counts[name] == 1 else f"{name}-again-{counts[name]}")
        threading.Thread(target=pump, args=(down, up, f"{name}.learner.bin"), daemon=True).start()
        threading.Thread(target=pump, args=(up, down, f"{name}.leader.bin", mute), daemon=True).start()


def start(peer, flags=""):
    folder = root / str(peer)
    folder.mkdir(exist_ok=True)
    (folder / "myid").write_text(str(peer))
    lines = ["tickTime=500", "initLimit=40", "syncLimit=20", f"dataDir={folder}", f"clientPort={client(peer)}",
             "clientPortAddress=127.0.0.1", "admin.enableServer=false", "4lw.commands.whitelist=*"]
    for other in (1, 2, 3, 4):
        port = quorum(other) if other == peer else proxied(peer, other)
        lines.append(f"server.{other}=127.0.0.1:{port}:{election(other)}" + (":observer" if other == 4 else ""))
    if peer == 4: lines.append("peerType=observer")
    (folder / "zoo.cfg").write_text("\n".join(lines) + "\n")
    log = open(folder / "log", "ab")
    return subprocess.Popen([server, str(folder / "zoo.cfg")], stdout=log, stderr=log,
                            env=os.environ | {"SERVER_JVMFLAGS": flags, "APACHE_HEAP": "200m"})


def mode(peer):
    try:
        with socket.create_connection(("127.0.0.1", client(peer)), 2) as link:
            link.sendall(b"srvr")
            text = b""
            while data := link.recv(4096): text += data
        return next((line[6:].decode() for line in text.splitlines() if line.startswith(b"Mode: ")), None)
    except OSError:
        return None


def wait(peer):
    for _ in range(600):
        if found := mode(peer): return found
        time.sleep(0.2)
    raise SystemExit(f"server {peer} does not serve: {root}")


def string(text): return struct.pack(">i", len(text)) + text
ACL = struct.pack(">ii", 1, 31) + string(b"world") + string(b"anyone")


class Client:
    """A session, just enough of it."""
    def __init__(self, peer, session=0, password=bytes(16)):
        self.link = socket.create_connection(("127.0.0.1", client(peer)), 30)
        self.send(struct.pack(">iqiq", 0, 0, 20000, session) + string(password) + b"\0")
        answer = self.receive()
        self.session, self.password, self.xid = struct.unpack(">q", answer[8:16])[0], answer[20:36], 0

    def send(self, body): self.link.sendall(struct.pack(">i", len(body)) + body)

    def receive(self):
        def exactly(count):
            data = b""
            while len(data) < count:
                piece = self.link.recv(count - len(data))
                if not piece: raise OSError("closed")
                data += piece
            return data
        return exactly(struct.unpack(">i", exactly(4))[0])

    def ask(self, op, body, waits=True):
        self.xid += 1
        self.send(struct.pack(">ii", self.xid, op) + body)
        return self.receive() if waits else None

    def create(self, path, data, flags=0, waits=True):
        return self.ask(1, string(path) + string(data) + ACL + struct.pack(">i", flags), waits)

    def set(self, path, data): return self.ask(5, string(path) + string(data) + struct.pack(">i", -1))
    def sync(self): return self.ask(9, string(b"/"))
    def end(self): self.ask(-11, b"")


def main():
    for learner in (1, 2, 3, 4):
        for leader in (1, 2, 3):
            if learner != leader: threading.Thread(target=proxy, args=(learner, leader), daemon=True).start()
    running = {peer: start(peer) for peer in (1, 2)}
    wait(1)
    wait(2)
    label[0] = "joining"
    running |= {peer: start(peer) for peer in (3, 4)}
    print({peer: wait(peer) for peer in (1, 2, 3, 4)})
    session = Client(1)
    session.create(b"/a", b"one")
    session.create(b"/e", b"", 1)
    session.set(b"/a", b"two")
    session.sync()
    session.ask(5, string(b"/missing") + string(b"") + struct.pack(">i", -1))
    moved = Client(3, session.session, session.password)
    moved.set(b"/a", b"three")
    moved.end()
    observing = Client(4)
    observing.set(b"/a", b"four")
    observing.sync()
    observing.end()
    Client(3, moved.session, moved.password).link.close()
    time.sleep(2)

    label[0] = "diff"
    running[3].kill(); running[3].wait()
    writer = Client(1)
    for number in range(3): writer.create(b"/late%d" % number, b"x")
    writer.end()
    running[3] = start(3)
    wait(3)

    # The leader logs what nobody else has, and dies.
    leader = next(peer for peer in (1, 2, 3) if mode(peer) == "leader")
    others = [peer for peer in (1, 2, 3) if peer != leader]
    lonely = Client(leader)
    lonely.sync()
    time.sleep(1)
    mute.set()
    lonely.create(b"/lost", b"x", waits=False)
    time.sleep(1)
    running[leader].kill(); running[leader].wait()
    label[0] = "after"
    mute.clear()
    time.sleep(1)
    for peer in others: print(peer, wait(peer))
    label[0] = "trunc"
    running[leader] = start(leader)
    print("cut", leader, wait(leader))

    label[0] = "snap"
    for process in running.values(): process.kill()
    for process in running.values(): process.wait()
    running = {peer: start(peer, "-Dzookeeper.forceSnapshotSync=true") for peer in (1, 2, 3, 4)}
    print({peer: wait(peer) for peer in (1, 2, 3, 4)})
    time.sleep(2)
    for process in running.values(): process.kill()


main()
