"""All scenarios: name, what it shows, function, its settings in the quick set (None: not in it) and in the full one."""

from migration import migrate
from mixes import mix
from rounds import rounds

ALL = [
    ("rounds", "kill -9 of any one of three, rejoin, equal trees", rounds, {"count": 3}, {"count": 100}),
    ("mix-RAA", "ours with two of the reference", mix, {"kinds": "RAA", "leaders": [1]}, {"kinds": "RAA"}),
    ("mix-RRA", "two of ours with one of the reference", mix, {"kinds": "RRA", "leaders": [3]}, {"kinds": "RRA"}),
    ("mix-RAARA", "five servers", mix, None, {"kinds": "RAARA"}),
    ("mix-ARRAR", "five servers", mix, None, {"kinds": "ARRAR"}),
    ("mix-RDD", "ours with two of Debian's 3.8.0", mix, None, {"kinds": "RDD"}),
    ("mix-RRD", "two of ours with one of Debian's 3.8.0", mix, None, {"kinds": "RRD"}),
    ("mix-RDA", "three releases", mix, None, {"kinds": "RDA"}),
    ("migration", "all servers from the reference to ours, one by one, and back", migrate, {"orders": ("leader last",), "sessions": 40}, {"orders": ("leader last", "leader first")}),
    ("migration-first", "the same, the leader first on the way there", migrate, None, {"orders": ("leader first", "leader last")}),
    ("migration-3.8.0", "the same with Debian's 3.8.0", migrate, None, {"there": "D"}),
]
