"""All scenarios: name, what it shows, function, its settings in the quick set (None: not in it) and in the full one."""

from rounds import rounds

ALL = [
    ("rounds", "kill -9 of any one of three, rejoin, equal trees", rounds, {"count": 3}, {"count": 100}),
]
