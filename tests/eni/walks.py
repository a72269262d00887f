"""Random walks through everything that may happen to a node's pool. A walk is told by its seed alone."""

from __future__ import annotations

import random
from collections.abc import Callable

from terway_edge.core.cloud import Features, Limits
from terway_edge.eni.policy import EniSelection, Policy, VSwitchSelection
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import ECS, ENS
from tests.eni.world import VERBS, World

STEPS = 60
PAUSES = (0.3, 2.0, 5.0, 15.0, 40.0, 130.0)
OUTSIDE = ("take", "tear off", "drop", "move", "add")
SMALL = Limits(3, 4, 4)
MIDDLE = Limits(4, 6, 6)
LARGE = Limits(6, 15, 15)
CIDRS = {"vsw-a": "10.0.0.0/25", "vsw-b": "10.0.1.0/25"}

Step = tuple[str, tuple[object, ...]]


def make_world(seed: int) -> World:
    """A node of any kind, with any policy."""
    rng = random.Random(seed)
    kind = rng.choice(["ecs", "ecs", "ecs", "dual", "prefixes", "ens"])
    policy = Policy(
        families=(4, 6) if kind == "dual" else (4,),
        use_prefixes=kind == "prefixes",
        max_pool_size=rng.choice([0, 3, 5, 10, 20]),
        min_pool_size=rng.choice([0, 2, 5]),
        min_eni=rng.choice([0, 0, 0, 1]),
        max_eni=rng.choice([0, 0, 2]),
        warm_up_size=rng.choice([0, 0, 8]),
        reclaim_after=rng.choice([0.0, 100.0]),
        use_primary=rng.random() < 0.8,
        eni_selection=rng.choice(list(EniSelection)),
        vswitch_selection=rng.choice(list(VSwitchSelection)),
        vswitches=rng.choice([(), ("vsw-a", "vsw-b")]),
        trim_after=rng.choice([0.0, 30.0, 120.0]),
    )
    features: Features = ENS if kind == "ens" else ECS
    cidrs = {"vsw-a": "10.0.0.0/22", "vsw-b": "10.0.4.0/22"} if kind == "prefixes" else CIDRS
    world = World(policy, seed, limits=rng.choice([SMALL, MIDDLE, LARGE]), features=features, vswitches=cidrs)
    if kind == "ens":
        for _ in range(rng.randint(0, 2)):
            world.cloud.add_eni()
    return world


def walk(seed: int, steps: int = STEPS) -> list[Step]:
    """Take a walk; what must hold is checked on the way and at its end. Returns what happened."""
    world, rng = make_world(seed), random.Random(~seed)
    taken: list[Step] = []
    try:
        for _ in range(steps):
            name, arguments = _step(world, rng)
            taken.append((name, arguments))
            getattr(world, name)(*arguments)
        world.check_end()
    except Exception as error:
        trace = "\n".join(f"  {name}{arguments}" for name, arguments in taken)
        raise AssertionError(f"seed {seed}: {error}\n{world.policy}\n{trace}") from error
    return taken


def _step(world: World, rng: random.Random) -> Step:
    vswitch = rng.choice(world.vswitch_ids)
    choices: list[tuple[int, Callable[[], Step]]] = [
        (6, lambda: ("think", ())),
        (3, lambda: ("finish", (rng.randint(1, 9),))),
        (2, lambda: ("hear", (9,))),
        (4, lambda: ("wait", (rng.choice(PAUSES),))),
        (2, lambda: ("pods_come", (rng.randint(1, 10),))),
        (2, lambda: ("pods_go", (rng.randint(1, 8),))),
        (1, lambda: ("someone_gives_up", ())),
        (1, lambda: ("crash", ())),
        (2, lambda: ("fault", (rng.choice(VERBS), rng.choice(list(Fault))))),
        (1, lambda: ("outage", (rng.choice([None, None, None, *Fault]),))),
        (1, lambda: ("lists_are_old", (rng.choice([0.0, 0.0, 20.0, 300.0]),))),
        (1, lambda: ("vswitch_fills_up", (vswitch, rng.choice([0, 1, 5])))),
        (1, lambda: ("vswitch_empties", (vswitch,))),
        (1, lambda: ("disk", (rng.random() < 0.3,))),
        (1, lambda: ("outside", (rng.choice(OUTSIDE),))),
    ]
    weights = [weight for weight, _ in choices]
    return rng.choices(choices, weights)[0][1]()
