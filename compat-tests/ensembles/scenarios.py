"""All scenarios: name, what it shows, function, its settings in the quick set (None: not in it) and in the full one."""

from addresses import addresses
from breakage import chaos, fault
from gaps import gaps
from local_sessions import local_sessions
from migration import migrate
from mixes import mix
from observers import observers
from power import power
from read_only import read_only
from reconfig import grow, kills, replace, roles, weights
from rounds import rounds
from scaling import dangers, scaling

KILLS = ("kill-follower", "kill-leader", "kill-all")
SLEEPS = ("pause-leader", "pause-all")
PARTITIONS = ("isolate-leader", "isolate-follower", "leader-not-heard", "leader-hears-nothing", "follower-not-heard", "bridge", "swizzle", "slow-links")
SLOW_DISKS = ("slow-disk-leader", "slow-disk-follower")

ALL = [
    ("rounds", "kill -9 of any one of three, rejoin, equal trees", rounds, {"count": 3}, {"count": 100}),
    ("mix-RAA", "ours with two of the reference", mix, {"kinds": "RAA", "leaders": [1]}, {"kinds": "RAA"}),
    ("mix-RRA", "two of ours with one of the reference", mix, {"kinds": "RRA", "leaders": [3]}, {"kinds": "RRA"}),
    ("mix-5-RAARA", "five servers, two of ours", mix, None, {"kinds": "RAARA"}),
    ("mix-5-ARRAR", "five servers, three of ours", mix, None, {"kinds": "ARRAR"}),
    ("mix-RDD", "ours with two of Debian's 3.8.0", mix, None, {"kinds": "RDD"}),
    ("mix-RRD", "two of ours with one of Debian's 3.8.0", mix, None, {"kinds": "RRD"}),
    ("mix-RDA", "three releases", mix, None, {"kinds": "RDA"}),
    ("migration", "from the reference to ours one by one, leader last; back, leader first", migrate, {"orders": ("leader last",), "sessions": 40},
     {"orders": ("leader last", "leader first")}),
    ("migration-first", "from the reference to ours, leader first; back, leader last", migrate, None, {"orders": ("leader first", "leader last")}),
    ("migration-3.8.0", "from Debian's 3.8.0 to ours, and back", migrate, None, {"there": "D"}),
    ("reconfig-replace", "all members replaced one by one, ours by the reference's and the other way", replace, {"kinds": "RRRRRR"}, {"kinds": "RRRAAA"}),
    ("reconfig-replace-back", "the reference's replaced by ours", replace, None, {"kinds": "AAARRR"}),
    ("reconfig-replace-mixed", "members of both kinds, replaced", replace, None, {"kinds": "RARARA"}),
    ("reconfig-roles", "members observe, leave, come back and move", roles, {"kinds": "RRR"}, {"kinds": "RAR"}),
    ("reconfig-roles-apache", "the same, most are the reference's", roles, None, {"kinds": "ARA"}),
    ("reconfig-grow", "one server grows to five, and shrinks", grow, None, {"kinds": "RARAR"}),
    ("reconfig-weights", "weights and groups come and go", weights, None, {"kinds": "RAR"}),
    ("reconfig-weights-apache", "the same, one of the reference leads", weights, None, {"kinds": "RAA"}),
    ("reconfig-kills", "a server is killed while another joins or leaves", kills, None, {"count": 30}),
    ("scaling", "one server becomes three, five and three again, by changes of the membership and by a restart", scaling, {"writes": 100}, {"kinds": "RARAR", "writes": 1000}),
    ("scaling-dangers", "empty directories, wrong ids, old files, foreign data: nothing is lost, one line says what is refused", dangers, {"whole": False}, {}),
    ("addresses", "servers with three addresses each, one of which is dead, in a mixed ensemble", addresses, None, {}),
    ("faults-kills", "kill -9 of a follower, the leader, all at once", fault, None, {"what": KILLS, "count": 10}),
    ("faults-sleeps", "SIGSTOP of the leader, of all, for twice the syncLimit", fault, None, {"what": SLEEPS, "count": 5}),
    ("faults-partitions", "one-way, symmetric and bridge partitions, changing ones, slow links", fault, None, {"what": PARTITIONS, "count": 3}),
    ("faults-disks", "a slow disk under the leader, under a follower", fault, None, {"what": SLOW_DISKS, "count": 3}),
    ("faults-mixed", "the same in a mixed ensemble", fault, None, {"kinds": "ARR", "what": (*KILLS, *SLEEPS, *PARTITIONS, *SLOW_DISKS), "count": 1}),
    ("local-sessions", "1,000 clients, upgrades racing with closes and leader changes", local_sessions, None, {"count": 6}),
    ("local-sessions-mixed", "the same in a mixed ensemble", local_sessions, None, {"kinds": "RAR", "count": 4}),
    ("read-only", "a server without a leader serves readers, who look for another", read_only, None, {}),
    ("read-only-mixed", "the same in a mixed ensemble", read_only, None, {"kinds": "ARR"}),
    ("observers-proof", "our observer proves that its tree is that of the reference's leader, and tells of one bit that is not", observers,
     {"voters": "AAA", "observers": "R", "joins": ()}, {"voters": "AAA", "observers": "R", "joins": (), "proved": 50_000}),
    ("observers-RRR", "observers of each kind under ours", observers, None, {"voters": "RRR"}),
    ("observers-AAA", "observers of each kind under the reference", observers, None, {"voters": "AAA"}),
    ("observers-masters-RRR", "observers of each kind behind followers of ours", observers, None, {"voters": "RRR", "masters": True}),
    ("observers-masters-AAA", "observers of each kind behind followers of the reference", observers, None, {"voters": "AAA", "masters": True}),
    ("observers-masters-mixed", "observers of each kind behind followers of both kinds", observers, None, {"voters": "RARAR", "masters": True}),
    ("power", "power loss of all three at once", power, None, {"count": 10}),
    ("million", "a million writes under one fault after another", chaos, None, {"writes": 1_000_000}),
    ("million-mixed", "a million writes in a mixed ensemble", chaos, None, {"kinds": "ARR", "writes": 1_000_000}),
    ("gaps", "the leader killed by -9 and by SIGTERM, ours beside the reference", gaps, None, {"count": 50}),
]
