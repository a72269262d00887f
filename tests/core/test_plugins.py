"""Finding and building plugins through real entry points: what fails is told, and takes nothing else down."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from terway_edge.core.config import Settings
from terway_edge.core.context import BackendContext
from terway_edge.core.errors import Refused
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.ipam import Ipam
from terway_edge.core.plugins import GROUP, build_plugins, find_plugins
from terway_edge.core.plumbing import Plumbing
from terway_edge.testing import FakeClock, FakeKernel, MemoryFirewall, MemoryStore, RecordedEvents, RecordedStatuses


class Good:
    def __init__(self, context):
        self.context = context

    @hookimpl
    def terway_edge_release(self, lease):
        """Nothing to do."""


class Misspelt(Good):
    @hookimpl
    def terway_edge_alocate(self, sandbox):
        """A name that no specification has."""


class WrongArguments(Good):
    @hookimpl
    def terway_edge_detach(self, pod):
        """An argument that the specification does not give."""


class Unmarked(Good):
    def terway_edge_allocate(self):
        """Nobody would call it."""


class Explosive:
    def __init__(self, context):
        raise RuntimeError("no licence")


@pytest.fixture
def module():
    made = ModuleType("twt_plugins")
    vars(made).update({kind.__name__: kind for kind in (Good, Misspelt, WrongArguments, Unmarked, Explosive)}, number=5)
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


@pytest.fixture
def context():
    kernel, clock = FakeKernel(), FakeClock()
    return BackendContext(
        "n1",
        kernel,
        Plumbing(kernel),
        Ipam(MemoryStore(), clock),
        MemoryFirewall(),
        clock,
        RecordedEvents(),
        RecordedStatuses(),
        Settings(node_name="n1"),
    )


def entries(**names):
    return [EntryPoint(name, f"twt_plugins:{attribute}", GROUP) for name, attribute in names.items()]


def build(context, *candidates, disabled=()):
    manager, infos = build_plugins(find_plugins(disabled, candidates), context)
    return manager, {info.name: info for info in infos}


def test_the_built_in_backend_comes_through_the_same_door(context):
    manager, infos = build_plugins(find_plugins(), context)
    assert manager.has_plugin("flannel_route")
    info = next(info for info in infos if info.name == "flannel_route")
    assert (info.distribution, info.error) == ("terway-edge", "")
    assert {"allocate", "attach", "detach", "release", "advertise"} <= set(info.hooks)


def test_a_plugin_is_built_with_its_context(context, module):
    manager, infos = build(context, *entries(good="Good"))
    assert manager.get_plugin("good").context is context
    assert infos["good"].hooks == ("release",)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("twt_no_such_module:X", "ModuleNotFoundError"),
        ("twt_plugins:Absent", "AttributeError"),
        ("twt_plugins:number", "is not a class"),
        ("twt_plugins:Explosive", "RuntimeError: no licence"),
        ("twt_plugins:WrongArguments", "PluginValidationError"),
        ("twt_plugins:Unmarked", "Unmarked.terway_edge_allocate has no @hookimpl"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_told_and_harms_no_other(context, module, value, reason):
    bad = EntryPoint("bad", value, GROUP)
    manager, infos = build(context, *entries(good="Good"), bad)
    assert reason in infos["bad"].error
    assert not manager.has_plugin("bad")
    assert manager.has_plugin("good")
    assert infos["good"].error == ""


def test_a_misspelt_hook_is_refused_by_name(context, module):
    with pytest.raises(Refused, match="terway_edge_alocate"):
        build(context, *entries(good="Good", bad="Misspelt"))


def test_of_two_with_the_same_name_the_built_in_one_stays(context, module):
    stranger = EntryPoint("flannel_route", "twt_plugins:Good", GROUP)
    own = EntryPoint("flannel_route", "terway_edge.backends.flannel_route:FlannelRoute", GROUP)
    manager, infos = build_plugins(find_plugins((), [stranger, own]), context)
    assert type(manager.get_plugin("flannel_route")).__name__ == "FlannelRoute"
    assert [info.error for info in infos] == ["", f"name taken by {own.value}"]


def test_a_disabled_plugin_is_not_even_imported(context):
    absent = EntryPoint("off", "twt_no_such_module:X", GROUP)
    _, infos = build(context, absent, disabled=("off",))
    assert infos["off"].error == "disabled by plugins.disabled"
