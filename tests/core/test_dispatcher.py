"""Routing of hooks: to whom, in which shape, and what a failing plugin may not do to the others."""

import pluggy
import pytest

from terway_edge.core.dispatcher import Dispatcher, explain
from terway_edge.core.errors import Bug, Refused, Retry
from terway_edge.core.hookspecs import PROJECT, Hooks, hookimpl
from terway_edge.core.models import (
    Attachment,
    Discrepancy,
    Lease,
    Node,
    NodeView,
    Report,
    RouteSet,
    Sandbox,
    Selection,
    StopReason,
)

SANDBOX = Sandbox("c1", "eth0", "/n")
VIEW = NodeView(Node("n1", {}, (), ()), Selection("one"))
ATTACHMENT = Attachment("tw0", b"", b"", 1500, (), ())


def lease(backend="one", sandbox=SANDBOX):
    return Lease(sandbox, (), backend, (), 0.0)


class Plugin:
    """Notes every call in `calls` as (plugin, hook); answers what `answers` says, or raises it."""

    def __init__(self, name, calls, answers):
        self.name, self.calls, self.answers = name, calls, answers

    def _answer(self, hook, default=None):
        self.calls.append((self.name, hook))
        answer = self.answers.get((self.name, hook), default)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @hookimpl
    def terway_edge_select_backend(self):
        return self._answer("select_backend")

    @hookimpl
    def terway_edge_start(self):
        self._answer("start")

    @hookimpl
    def terway_edge_stop(self, reason):
        self._answer(f"stop {reason}")

    @hookimpl
    def terway_edge_allocate(self):
        return self._answer("allocate", lease(self.name))

    @hookimpl
    def terway_edge_attach(self):
        return self._answer("attach", ATTACHMENT)

    @hookimpl
    def terway_edge_check(self, repair):
        return self._answer(f"check {repair}")

    @hookimpl
    def terway_edge_audit(self, leases):
        return self._answer("audit", [])

    @hookimpl
    def terway_edge_detach(self):
        self._answer("detach")

    @hookimpl
    def terway_edge_release(self):
        self._answer("release")

    @hookimpl
    def terway_edge_advertise(self):
        self._answer("advertise")

    @hookimpl
    def terway_edge_report(self):
        return self._answer("report", Report(self.name, True))

    @hookimpl
    def terway_edge_query(self, words):
        return self._answer(f"query {' '.join(words)}", {"of": self.name})

    @hookimpl
    def terway_edge_lease_granted(self):
        self._answer("lease_granted")

    @hookimpl
    def terway_edge_lease_released(self):
        self._answer("lease_released")

    @hookimpl
    def terway_edge_cycle_done(self):
        self._answer("cycle_done")

    @hookimpl
    def terway_edge_metrics(self):
        self._answer("metrics")


class Silent:
    """A plugin without any hook."""


@pytest.fixture
def calls():
    return []


@pytest.fixture
def answers():
    return {}


@pytest.fixture
def failures():
    return []


@pytest.fixture
def dispatcher(calls, answers, failures):
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    for name in ("one", "two", "three"):
        manager.register(Plugin(name, calls, answers), name=name)
    manager.register(Silent(), name="silent")
    return Dispatcher(manager, lambda *failure: failures.append(failure))


ROUTED = {
    "start": lambda d, name: d.start(name, VIEW),
    "stop upgrade": lambda d, name: d.stop(name, StopReason.UPGRADE),
    "allocate": lambda d, name: d.allocate(name, SANDBOX, VIEW, 60.0),
    "attach": lambda d, name: d.attach(SANDBOX, lease(name), VIEW),
    "check True": lambda d, name: d.check(SANDBOX, lease(name), repair=True),
    "audit": lambda d, name: d.audit(name, [lease(name)]),
    "detach": lambda d, name: d.detach(SANDBOX, lease(name)),
    "release": lambda d, name: d.release(lease(name)),
    "advertise": lambda d, name: d.advertise(name, RouteSet(), VIEW),
    "report": lambda d, name: d.report(name),
    "query peers all": lambda d, name: d.query(name, ["peers", "all"]),
}


@pytest.mark.parametrize("hook", ROUTED)
@pytest.mark.parametrize("name", ["one", "two"])
def test_a_routed_hook_reaches_exactly_one_plugin(dispatcher, calls, hook, name):
    ROUTED[hook](dispatcher, name)
    ROUTED[hook](dispatcher, name)  # the second call uses a kept caller
    assert calls == [(name, hook)] * 2


@pytest.mark.parametrize("hook", [hook for hook in ROUTED if hook != "report"])
def test_an_absent_plugin_is_named(dispatcher, calls, hook):
    with pytest.raises(Refused, match=r"'four' is not loaded.*three"):
        ROUTED[hook](dispatcher, "four")
    assert calls == []


OBSERVERS = {
    "lease_granted": lambda d: d.lease_granted(lease()),
    "lease_released": lambda d: d.lease_released(lease()),
    "cycle_done": lambda d: d.cycle_done(RouteSet(), VIEW),
    "metrics": lambda d: d.metrics(None),
}


@pytest.mark.parametrize("hook", OBSERVERS)
@pytest.mark.parametrize("failing", ["one", "two", "three"])
def test_a_failing_observer_silences_no_other(dispatcher, calls, answers, failures, hook, failing):
    error = answers[failing, hook] = RuntimeError("broken")
    OBSERVERS[hook](dispatcher)
    assert sorted(calls) == [("one", hook), ("three", hook), ("two", hook)]
    assert failures == [(failing, hook, error)]


@pytest.mark.parametrize(
    ("hook", "wrong"),
    [
        ("allocate", "an address"),
        ("allocate", None),
        ("allocate", lease("two")),
        ("allocate", lease(sandbox=Sandbox("c2", "eth0"))),
        ("attach", None),
        ("attach", lease()),
        ("check True", "all is well"),
        ("check True", ["a text"]),
        ("check True", 5),
    ],
)
def test_a_wrong_answer_is_a_bug_that_names_the_plugin(dispatcher, answers, hook, wrong):
    answers["one", hook] = wrong
    with pytest.raises(Bug, match=f"backend one answered {hook.split()[0]}"):
        ROUTED[hook](dispatcher, "one")


@pytest.mark.parametrize("answer", ["flannel_route", RuntimeError("a mistake")])
def test_a_plugin_that_selects_wrongly_is_reported_and_passed_over(dispatcher, answers, failures, answer):
    answers["three", "select_backend"] = answer  # asked first
    answers["one", "select_backend"] = Selection("one")
    assert dispatcher.select_backend(VIEW.node) == Selection("one")
    ((plugin, hook, error),) = failures
    assert (plugin, hook) == ("three", "select_backend")
    assert isinstance(error, Bug | RuntimeError)


def test_selection_asks_all_until_one_answers(dispatcher, calls, answers):
    assert dispatcher.select_backend(VIEW.node) is None
    assert len(calls) == 3
    answers["two", "select_backend"] = Selection("two")
    assert dispatcher.select_backend(VIEW.node) == Selection("two")


def test_no_complaint_is_an_empty_sequence(dispatcher, answers):
    assert dispatcher.check(SANDBOX, lease(), repair=False) == ()
    answers["one", "check False"] = [Discrepancy("link is down")]
    assert dispatcher.check(SANDBOX, lease(), repair=False) == [Discrepancy("link is down")]


@pytest.mark.parametrize("wrong", [RuntimeError("broken"), "in sync", 0])
def test_a_report_that_cannot_be_had_harms_nobody(dispatcher, answers, failures, wrong):
    answers["one", "report"] = wrong
    assert dispatcher.report("one") is None
    assert [failure[:2] for failure in failures] == [("one", "report")]
    assert dispatcher.report("two") == Report("two", True)
    assert dispatcher.report("silent") is None


def test_a_question_is_answered_by_the_plugin_that_is_asked(dispatcher, answers):
    assert dispatcher.query("two", ["peers"]) == {"of": "two"}
    with pytest.raises(Refused, match="plugin 'silent' answers no questions"):
        dispatcher.query("silent", ["peers"])
    answers["one", "query peers"] = Refused("questions are: routes")
    with pytest.raises(Refused, match="questions are: routes"):
        dispatcher.query("one", ["peers"])


@pytest.mark.parametrize("wrong", ["a text", ["rows"], 0])
def test_a_wrong_answer_to_a_question_is_a_bug_that_names_the_plugin(dispatcher, answers, wrong):
    answers["one", "query peers"] = wrong
    with pytest.raises(Bug, match="plugin one answered query with"):
        dispatcher.query("one", ["peers"])


def test_errors_of_a_backend_reach_the_caller_as_they_are(dispatcher, answers):
    answers["one", "allocate"] = Retry("later", after=3)
    with pytest.raises(Retry, match="later") as raised:
        dispatcher.allocate("one", SANDBOX, VIEW, 60.0)
    assert raised.value.after == 3


def test_a_backend_that_needs_no_audit_has_nothing_that_is_broken(dispatcher, answers):
    assert dispatcher.audit("silent", [lease("silent")]) == ()
    answers["one", "audit"] = "all is well"
    with pytest.raises(Bug, match="backend one answered audit with 'all is well'"):
        dispatcher.audit("one", [lease()])


def test_a_backend_is_told_how_long_its_caller_waits_and_whether_it_still_does():
    told = []

    class Patient:
        @hookimpl
        def terway_edge_allocate(self, sandbox, deadline, cancelled):
            told.extend((deadline, cancelled()))
            return lease("patient", sandbox)

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    manager.register(Patient(), name="patient")
    dispatcher = Dispatcher(manager, lambda *failure: None)
    dispatcher.allocate("patient", SANDBOX, VIEW, 60.0)
    dispatcher.allocate("patient", SANDBOX, VIEW, 9.0, lambda: True)
    assert told == [60.0, False, 9.0, True]


def test_names_are_those_registered(dispatcher):
    assert sorted(dispatcher.names) == ["one", "silent", "three", "two"]
    assert dispatcher.has("one")
    assert not dispatcher.has("four")


def test_explanations_name_strangers_errors_and_let_ours_speak():
    assert explain(Retry("come again")) == "come again"
    assert explain(KeyError("x")) == "KeyError: 'x'"


def test_calls_are_known_while_they_are_under_way_and_no_longer(dispatcher):
    seen = []

    class Nosy:
        @hookimpl
        def terway_edge_stop(self):
            seen.extend(dispatcher.under_way)
            raise OSError("broken")

    dispatcher._manager.register(Nosy(), name="nosy")
    with pytest.raises(OSError, match="broken"):
        dispatcher.stop("nosy", StopReason.UPGRADE)
    assert seen == [("nosy", "stop")]
    assert dispatcher.under_way == []


class Recorder:
    """Notes the arguments of every call and answers as asked to."""

    def __init__(self):
        self.calls = []

    @hookimpl
    def terway_edge_select_backend(self, node):
        self.calls.append(("select_backend", node))

    @hookimpl
    def terway_edge_start(self, view):
        self.calls.append(("start", view))

    @hookimpl
    def terway_edge_allocate(self, sandbox, view):
        self.calls.append(("allocate", sandbox, view))
        return lease("recorder", sandbox)

    @hookimpl
    def terway_edge_attach(self, sandbox, lease, view):
        self.calls.append(("attach", sandbox, lease, view))
        return ATTACHMENT

    @hookimpl
    def terway_edge_check(self, sandbox, lease, repair):
        self.calls.append(("check", sandbox, lease, repair))

    @hookimpl
    def terway_edge_detach(self, sandbox, lease):
        self.calls.append(("detach", sandbox, lease))

    @hookimpl
    def terway_edge_release(self, lease):
        self.calls.append(("release", lease))

    @hookimpl
    def terway_edge_audit(self, leases):
        self.calls.append(("audit", leases))
        return leases[1:]

    @hookimpl
    def terway_edge_advertise(self, routes, view):
        self.calls.append(("advertise", routes, view))

    @hookimpl
    def terway_edge_lease_granted(self, lease):
        self.calls.append(("lease_granted", lease))

    @hookimpl
    def terway_edge_lease_released(self, lease):
        self.calls.append(("lease_released", lease))

    @hookimpl
    def terway_edge_cycle_done(self, routes, view):
        self.calls.append(("cycle_done", routes, view))

    @hookimpl
    def terway_edge_metrics(self, registry):
        self.calls.append(("metrics", registry))


def test_every_hook_gets_what_its_caller_gave(dispatcher):
    recorder = Recorder()
    dispatcher._manager.register(recorder, name="recorder")
    held, routes, registry = lease("recorder"), RouteSet(), object()
    dispatcher.select_backend(VIEW.node)
    dispatcher.start("recorder", VIEW)
    assert dispatcher.allocate("recorder", SANDBOX, VIEW, 60.0) == held
    assert dispatcher.attach(SANDBOX, held, VIEW) is ATTACHMENT
    dispatcher.check(SANDBOX, held, repair=True)
    dispatcher.detach(SANDBOX, held)
    dispatcher.release(held)
    assert dispatcher.audit("recorder", [lease(), held]) == [held]
    dispatcher.advertise("recorder", routes, VIEW)
    dispatcher.lease_granted(held)
    dispatcher.lease_released(held)
    dispatcher.cycle_done(routes, VIEW)
    dispatcher.metrics(registry)
    assert recorder.calls == [
        ("select_backend", VIEW.node),
        ("start", VIEW),
        ("allocate", SANDBOX, VIEW),
        ("attach", SANDBOX, held, VIEW),
        ("check", SANDBOX, held, True),
        ("detach", SANDBOX, held),
        ("release", held),
        ("audit", [lease(), held]),
        ("advertise", routes, VIEW),
        ("lease_granted", held),
        ("lease_released", held),
        ("cycle_done", routes, VIEW),
        ("metrics", registry),
    ]
    assert dispatcher.advertisers == ["one", "two", "three", "recorder"]


def test_a_bug_says_what_was_answered(dispatcher, answers, failures):
    answers.update({("one", hook): 5 for hook in ("select_backend", "allocate", "attach", "query x")})
    answers["one", "report"] = "in sync"
    for hook, expected in {"allocate": "Lease", "attach": "Attachment"}.items():
        with pytest.raises(Bug, match=f"answered {hook} with int, expected an? {expected}"):
            ROUTED[hook](dispatcher, "one")
    with pytest.raises(Bug, match="answered query with int, expected a mapping"):
        dispatcher.query("one", ["x"])
    dispatcher.select_backend(VIEW.node)
    dispatcher.report("one")
    assert [str(error) for _, _, error in failures] == [
        "answered int, expected a Selection or None",
        "report answered with str, expected a Report",
    ]


def test_where_nothing_is_loaded_that_is_said():
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    with pytest.raises(Refused, match=r"plugin 'one' is not loaded \(loaded: none\); see 'terway-edge plugins'"):
        Dispatcher(manager, lambda *failure: None).start("one", VIEW)
    manager.register(Silent(), name="a")
    manager.register(Silent(), name="b")
    with pytest.raises(Refused, match=r"\(loaded: a, b\)"):
        Dispatcher(manager, lambda *failure: None).start("one", VIEW)
