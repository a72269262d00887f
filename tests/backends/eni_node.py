"""A node with two ENIs attached, for the backends whose pods are on ENIs."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from weakref import WeakKeyDictionary

from terway_edge.core.cloud import (
    NO_ACCESS,
    AddressWish,
    Api,
    Cause,
    CloudAccess,
    CloudError,
    Features,
    Instance,
    Limits,
)
from terway_edge.core.context import BackendContext
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.models import Lease, NodeView, Sandbox
from terway_edge.core.plans import Change, LinkSetting, Verb, Veth
from terway_edge.core.selection import ENS_INSTANCE
from terway_edge.eni.backend import EniBackend
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.fake_cloud import ECS, FakeCloud
from terway_edge.testing.fake_enis import INSTANCE
from terway_edge.testing.harness import Harness
from terway_edge.testing.worlds import FakeWorld, World

MACS = tuple(bytes([2, 0, 0, 0xE0, 0, number]) for number in (1, 2))
LINKS = (21, 22)
PER_ENI = 15
DUAL = {"max_pool_size": 30, "ip_stack": "dual"}


class OneCloud:
    """`Clouds` of one instance; `opened` are the APIs asked for, `accesses` the ways to them, `maps` the cluster's
    ConfigMaps."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.opened: list[Api] = []
        self.accesses: list[CloudAccess] = []
        self.maps: dict[str, dict[str, object]] = {}
        self.is_down = False

    def open(self, api: Api, deadline: float, access: CloudAccess = NO_ACCESS) -> FakeCloud:
        self.opened.append(api)
        self.accesses.append(access)
        if self.is_down:
            raise CloudError("nobody answers", action="Open", cause=Cause.UNAVAILABLE)
        return self.cloud

    def metadata(self) -> OneCloud:
        return self

    def instance(self, deadline: float) -> Instance:
        return INSTANCE


def eni_cloud(clock: FakeClock, features: Features = ECS, enis: int = 2) -> OneCloud:
    """Two ENIs at most, so many of them attached: 15 addresses of each family on each."""
    cloud = FakeCloud(clock, Limits(3, PER_ENI, PER_ENI), features)
    for mac in MACS[:enis]:
        eni = cloud.add_eni(PER_ENI, mac=mac)
        cloud.assign(AddressWish(eni.id, eni.id, ipv6=PER_ENI), 0.0)
    cloud.calls.clear()
    return OneCloud(cloud)


def wire_enis(world: World) -> list[str]:
    """The links of both ENIs, each into a namespace of its own that stands for the cloud; the paths of these."""
    paths = [world.create_netns() for _ in MACS]
    for number, (path, mac, index) in enumerate(zip(paths, MACS, LINKS, strict=True), 1):
        far = bytes([2, 0, 0, 0xFA, 0, number])
        world.interfere(Change(Verb.ADD, Veth(f"eth{number}", index, mac, "", 1500, path, "vpc0", index, far)))
        world.interfere(Change(Verb.REPLACE, LinkSetting(index, up=True)), netns=path)
    return paths


class EniWorld(FakeWorld):
    def __init__(self) -> None:
        super().__init__()
        self.vpcs = wire_enis(self)


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait for what another thread brings about."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.002)


def settled(plugin: type[EniBackend], clouds: Callable[[FakeClock], OneCloud]) -> Callable[[BackendContext], object]:
    """Builds the plugin; when its start returns it knows its ENIs and their links are ready, as some time later. The
    cloud, and the directory of what is under way in it, outlive restarts: they are the clock's."""

    class Settled(plugin):  # type: ignore[misc, valid-type]
        @hookimpl
        def terway_edge_start(self, view: NodeView) -> None:
            is_first = self._manager is None
            super().terway_edge_start(labelled(view))
            if is_first:
                pools = self._context.ipam.pools
                eventually(lambda: len(pools()) == 2 * len(MACS), "a pool for each ENI and family")
                for pool in pools():
                    eni = pool.partition("/")[0]
                    address = known[self._context.clock].cloud.enis()[eni].primary
                    lease = Lease(Sandbox("none", "eth0"), (address,), self.name, (pool,), 0.0)
                    eventually(partial(self._wanted, lease), "an ENI with its vSwitch")
                    self._links.make_ready(self._wanted(lease))

    known: WeakKeyDictionary[object, OneCloud] = WeakKeyDictionary()
    directories: WeakKeyDictionary[object, tempfile.TemporaryDirectory[str]] = WeakKeyDictionary()

    def build(context: BackendContext) -> object:
        clock = context.clock
        assert isinstance(clock, FakeClock)
        if clock not in known:
            known[clock] = clouds(clock)
            directories[clock] = tempfile.TemporaryDirectory(prefix="terway-edge-")
        return Settled(with_cloud(context, known[clock], Path(directories[clock].name)))

    return build


def with_cloud(context: BackendContext, clouds: OneCloud, directory: Path, **conf: object) -> BackendContext:
    settings = context.settings.model_copy(update={"state_dir": directory})
    if not clouds.maps:  # else a test has written its own
        configure(clouds, **conf)
    return replace(context, clouds=clouds, settings=settings, config_maps=clouds.maps.get)


def configure(clouds: OneCloud, name: str = "eni-config", *, cni: object = None, **conf: object) -> None:
    """Write a ConfigMap: pods of both families and a pool of 30 unless `conf` says otherwise."""
    data: dict[str, object] = {"eni_conf": json.dumps({**DUAL, **conf} if name == "eni-config" else conf)}
    clouds.maps[name] = data if cni is None else {**data, "10-terway.conf": json.dumps(cni)}


def labelled(view: NodeView) -> NodeView:
    return replace(view, node=view.node._replace(labels={ENS_INSTANCE: INSTANCE.id}))


@contextmanager
def node(
    plugin: type[EniBackend], directory: Path, clouds: Callable[[FakeClock], OneCloud], **conf: object
) -> Iterator[tuple[Harness, OneCloud]]:
    """The plugin as it is, its view labelled as that of an ENS node."""
    made: list[OneCloud] = []

    def build(context: BackendContext) -> EniBackend:
        assert isinstance(context.clock, FakeClock)
        made.extend([] if made else [clouds(context.clock)])
        return plugin(with_cloud(context, made[0], directory, **conf))

    class Labelled(Harness):
        def _build(self) -> None:
            self.view = labelled(self.view)
            super()._build()

    world = EniWorld()
    harness = Labelled(world, plugin.name, build)
    try:
        yield harness, made[0]
    finally:
        harness.close()
        world.close()
