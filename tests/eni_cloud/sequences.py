"""Random sequences of everything that may happen. One is told by its side and its seed: `play("api", 17)` is always the
same."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from terway_edge.core.cloud import Features, Limits
from terway_edge.eni.policy import EniSelection, Policy, VSwitchSelection
from terway_edge.testing.fake_cloud import ECS, ENS
from tests.eni_cloud.api_side import ApiSide
from tests.eni_cloud.fake_side import FakeSide
from tests.eni_cloud.model import Model
from tests.eni_cloud.sides import Side
from tests.eni_cloud.sites import ECS_NODE, ENS_NODE

STEPS = 60
PAUSES = (0.3, 2.0, 7.0, 20.0, 45.0, 130.0)
ZONE = ("vsw-a", "vsw-b")

Step = tuple[str, tuple[object, ...]]


def _choose(model: Model) -> Step:
    rng, vswitch = model.rng, model.rng.choice(model.side.vswitches)
    choices: list[tuple[int, Callable[[], Step]]] = [
        (5, lambda: ("think", ())),
        (3, lambda: ("rush", (rng.randint(1, 20),))),
        (3, lambda: ("reach", (rng.randint(1, 9),))),
        (2, lambda: ("hear", (9,))),
        (4, lambda: ("work", (rng.randint(1, 4),))),
        (2, lambda: ("wait", (rng.choice(PAUSES),))),
        (3, lambda: ("live", (rng.choice(PAUSES),))),
        (3, lambda: ("pods_come", (rng.randint(1, 12),))),
        (2, lambda: ("pods_go", (rng.randint(1, 10),))),
        (1, lambda: ("someone_gives_up", ())),
        (1, lambda: ("crash", ())),
        (3, lambda: ("trouble", model.side.trouble(rng))),
        (1, lambda: ("peace", ())),
        (1, lambda: ("disk", (rng.random() < 0.3,))),
        (1, lambda: ("crowd", (vswitch, rng.choice([0, 1, 4])))),
        (1, lambda: ("neighbours_leave", ())),
        (2, lambda: ("others", (rng.choice(["take", "take", "detach", "drop", "move", "add"]),))),
    ]
    return rng.choices(choices, [weight for weight, _ in choices])[0][1]()


def make_model(side: str, seed: int, directory: Path) -> Model:
    """A node of any kind, with any policy."""
    rng = random.Random(f"{side} {seed}")
    kind = rng.choice(["ecs", "ecs", "ecs", "dual", "prefixes", "ens"])
    is_ens = kind == "ens"
    limits = rng.choice([Limits(3, 4, 4), Limits(4, 6, 6), Limits(6, 15, 15)])
    policy = Policy(
        families=(4, 6) if kind == "dual" else (4,),
        use_prefixes=kind == "prefixes",
        max_pool_size=rng.choice([0, 3, 5, 10, 20]),
        min_pool_size=rng.choice([0, 0, 2, 5]),
        min_eni=rng.choice([0, 0, 0, 1]),
        max_eni=rng.choice([0, 0, 2]),
        warm_up_size=rng.choice([0, 0, 8]),
        reclaim_after=rng.choice([0.0, 100.0]),
        reclaim_interval=60.0,
        use_primary=rng.random() < 0.8,
        trim_after=rng.choice([0.0, 120.0]),
        eni_selection=rng.choice(list(EniSelection)),
        vswitch_selection=rng.choice(list(VSwitchSelection)),
        vswitches=() if is_ens else rng.choice([(), ZONE]),
    )
    length = 24 if kind == "prefixes" else 26
    return Model(_make_side(side, is_ens, limits, length, policy.vswitches, directory), policy, seed)


def _make_side(
    side: str, is_ens: bool, limits: Limits, length: int, vswitches: tuple[str, ...], directory: Path
) -> Side:
    if side == "api":
        node = ENS_NODE if is_ens else ECS_NODE
        return ApiSide(directory, node, enis=limits.enis, per_eni=limits.ipv4_per_eni, length=length)
    features: Features = ENS if is_ens else ECS
    return FakeSide(
        limits, features, {each: f"10.0.{number}.0/{length}" for number, each in enumerate(vswitches or ("vsw-a",))}
    )


def play(side: str, seed: int, directory: Path, steps: int = STEPS) -> list[Step]:
    """Raises AssertionError with the seed and all that happened."""
    model = make_model(side, seed, directory)
    taken: list[Step] = []
    try:
        for _ in range(steps):
            name, arguments = _choose(model)
            taken.append((name, arguments))
            getattr(model, name)(*arguments)
            model.check()
        model.rest()
    except Exception as error:
        trace = "\n".join(f"  {name}{arguments}" for name, arguments in taken)
        raise AssertionError(f"{side} {seed}: {error!r}\n{model.policy}\n{trace}") from error
    finally:
        model.side.close()
    return taken
