"""When leaks are looked for, and when an agent's figures count as leaks."""

from types import SimpleNamespace

import pytest

from terway_edge.torture import measuring
from terway_edge.torture.books import Books
from terway_edge.torture.measuring import BEGIN, END, MEANWHILE, Meter
from terway_edge.torture.process import Usage

SOUND = Usage(20, 15, 40_000, 4)
FAT = SOUND._replace(memory=60_000)


class Agent:
    """A process that is only its figures."""

    def __init__(self):
        self.pid, self.figures = 7, SOUND

    def usage(self):
        return self.figures


@pytest.fixture
def agent():
    return Agent()


@pytest.fixture
def meter(agent, monkeypatch):
    monkeypatch.setattr(measuring, "LIMIT", 0.0)
    return Meter(SimpleNamespace(agent=agent, books=Books("x"), namespaces=set))


def test_a_calm_part_is_measured_each_minute_against_its_begin(meter, agent, monkeypatch):
    told = []
    assert not meter.is_due
    assert meter.measure(BEGIN, told) == []
    assert meter.is_measuring
    assert not meter.is_due
    monkeypatch.setattr(measuring, "MINUTE", -1.0)
    assert meter.is_due
    assert meter.measure(MEANWHILE, told) == []
    agent.figures = FAT
    [complaint] = meter.measure(MEANWHILE, told)
    assert "memory" in complaint
    assert meter.is_measuring
    agent.figures = SOUND
    assert meter.measure(END, told) == []
    assert not meter.is_measuring
    assert not meter.is_due
    assert len(told) == 3


def test_another_process_cannot_be_compared(meter, agent):
    meter.measure(BEGIN, [])
    agent.pid = 8
    assert meter.measure(END, []) == ["the agent was replaced in a calm part"]


def test_a_namespace_that_nobody_made_is_the_tortures_own_fault(agent):
    strange = Meter(SimpleNamespace(agent=agent, books=Books("x"), namespaces=lambda: {"x-p9"}))
    [complaint] = strange.measure(BEGIN, [])
    assert "x-p9" in complaint
