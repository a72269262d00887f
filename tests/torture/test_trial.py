"""What a run is worth that did nothing, or that failed by itself."""

import tempfile
from types import SimpleNamespace

import pytest

from terway_edge.testing.oracle import Picture
from terway_edge.torture.books import Books
from terway_edge.torture.case import Case
from terway_edge.torture.ordeal import Ordeal
from terway_edge.torture.script import Variety
from terway_edge.torture.trial import Record, Trial


class Node(SimpleNamespace):
    """One on which all is well."""

    def __init__(self, directory):
        agent = SimpleNamespace(
            start=lambda: None, wait_ready=lambda: None, runs=lambda: True, log=directory / "agent.log"
        )
        super().__init__(
            agent=agent,
            kind="edge",
            journal=directory / "leases.journal",
            shim=None,
            books=Books("x"),
            host=SimpleNamespace(addresses=["192.0.2.1"]),
            build=lambda: None,
            look=lambda: Picture(live={}, leases={}),
            faults=list,
        )


class Going(Trial):
    """`go` is what is done."""

    def __init__(self, directory, go):
        super().__init__(Node(directory), Record("edge", 7))
        self._go = lambda _say: go(self)

    def _go(self, say): ...


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """Makes a run and returns its troubles."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # for the evidence

    def run(go):
        trial = Going(tmp_path, go)
        trial.run(lambda _line: None)
        return trial.record.troubles

    return run


def act(trial):
    trial.record.acts += 1


def fail(trial):
    act(trial)
    raise KeyError("dst")


def try_in_vain(trial):
    act(trial)
    tally = trial.record.tally("full disk")
    tally.tries = tally.in_vain = 5


def test_a_run_whose_acts_all_had_an_effect_is_sound(ended):
    assert ended(act) == []


def test_a_run_that_did_nothing_is_none(ended):
    assert ended(lambda _trial: None) == ["its time was over before anything was tried"]


def test_a_case_whose_tries_were_all_in_vain_is_told(ended):
    [trouble] = ended(try_in_vain)
    assert trouble.startswith("full disk: all of 5 tries were in vain")


def test_a_torture_that_fails_by_itself_is_no_sound_run(ended, capsys):
    assert ended(fail) == ["the torture itself failed: KeyError('dst')"]
    assert "Traceback" in capsys.readouterr().err


CASES = {"calm": Case(lambda *_: None), "wild": Case(lambda *_: None, Variety(is_wild=True))}


def test_what_is_repeated_are_the_same_acts(tmp_path):
    def ordeal():
        return Ordeal(Node(tmp_path), 7, CASES, lambda done: done >= 9, closes=True)

    one, other = ordeal(), ordeal()
    acts = list(one._acts())
    assert acts == list(other._acts())
    assert len(acts) > 9
    assert one.record.replay == "terway-edge torture --node edge --seed 7 --acts 9 --closing"
