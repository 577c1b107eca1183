"""The client checks with kazoo:   check_kazoo.py HOST:PORT

Prints `ok NAME` for each; asks its parent on standard output to `restart` the server or to `pause` this process, and waits
for a line on standard input after a restart."""

import sys
import threading

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import NodeExistsError, RolledBackError

TIMEOUT = 6.0
address = sys.argv[1]


def ok(name, true):
    if not true:
        print(f"failed {name}", flush=True)
        sys.exit(1)
    print(f"ok {name}", flush=True)


def wait(event, name):
    ok(name, event.wait(30))


client = KazooClient(address, timeout=TIMEOUT)
lost = threading.Event()
client.add_listener(lambda state: lost.set() if state == KazooState.LOST else None)
client.start(30)
session = client.client_id[0]

ok("create", client.create("/kazoo", b"one") == "/kazoo")
ok("create sequential", client.create("/kazoo/s-", sequence=True) == "/kazoo/s-0000000000")
ok("create ephemeral", client.create("/kazoo/e", ephemeral=True) == "/kazoo/e")
data, stat = client.get("/kazoo")
ok("read", data == b"one" and stat.version == 0 and stat.numChildren == 2)
ok("children", sorted(client.get_children("/kazoo")) == ["e", "s-0000000000"])

changed, children = threading.Event(), threading.Event()
client.get("/kazoo", watch=lambda event: changed.set() if event.type == "CHANGED" else None)
client.get_children("/kazoo", watch=lambda event: children.set() if event.type == "CHILD" else None)
client.set("/kazoo", b"two")
client.create("/kazoo/child")
wait(changed, "data watch")
wait(children, "child watch")

transaction = client.transaction()
transaction.check("/kazoo", 1)
transaction.create("/kazoo/m", b"m")
transaction.set_data("/kazoo", b"three")
transaction.delete("/kazoo/child")
results = transaction.commit()
ok("multi", results[0] is True and results[1] == "/kazoo/m" and results[2].version == 2 and results[3] is True)
transaction = client.transaction()
transaction.set_data("/kazoo", b"four")
transaction.create("/kazoo/m")
results = transaction.commit()
ok("multi that fails", isinstance(results[0], RolledBackError) and isinstance(results[1], NodeExistsError))
ok("nothing of it is done", client.get("/kazoo")[0] == b"three")

print("restart", flush=True)
sys.stdin.readline()
ok("reconnect", client.retry(client.get, "/kazoo")[0] == b"three")
ok("same session", client.client_id[0] == session)
ok("the ephemeral is still there", client.exists("/kazoo/e") is not None)

print("pause", flush=True)
wait(lost, "the session is lost")
again = KazooClient(address, timeout=TIMEOUT)
again.start(30)
gone = threading.Event()
if again.exists("/kazoo/e", watch=lambda event: gone.set()) is None:
    gone.set()
wait(gone, "its ephemeral is gone")
ok("the rest is there", again.get("/kazoo")[0] == b"three")
again.delete("/kazoo", recursive=True)
again.stop()
client.stop()
print("done", flush=True)
