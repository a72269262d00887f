"""T06 and T22: a DEL, or the end of the namespace, comes while an ADD waits at any of its steps.

What the inside does between these steps is in tests/agent/test_crossing.py.
"""

import os
import threading

import pytest

from tests.system.crashes import Crashes
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"


@pytest.fixture
def crashes(tmp_path):
    made = Crashes(tmp_path)
    try:
        made.machine.start()
        assert made.add(made.machine.new_pod())
        yield made
    finally:
        made.close()


def chosen(steps):
    assert len(steps) > 15
    return steps if FULL else steps[::4]


def test_t06_a_del_that_crosses_an_add_wins_at_every_step(crashes):
    # Before the first step is over nothing has begun: the DEL is over first, and the ADD comes after it.
    for name, nth in chosen(crashes.steps()[1:]):
        pod = crashes.machine.new_pod()
        with crashes.paused_add(pod, name, nth) as add:
            deleting = threading.Thread(target=crashes.delete, args=[pod])
            deleting.start()
            crashes.points.wait_for(("request.read.after", 2))
            deleting.join(0.02)
            assert deleting.is_alive(), "it waits for the ADD, which is not over"
        deleting.join(10)
        assert not deleting.is_alive()
        if name == "reply.before":
            assert add.status == 0, "an answer on its way is no error; the DEL came after it"
        else:
            assert (add.status, add.answer["code"]) == (1, 11), f"{name} {nth}"
        crashes.assert_whole()
        crashes.machine.forget_pod(pod)


def test_t22_a_namespace_that_ends_at_any_step_leaves_nothing(crashes):
    """The shim has handed it over open, so it lasts, and the pod is whole, until the ADD is over."""
    for name, nth in chosen(crashes.steps()):
        pod = crashes.machine.new_pod()
        with crashes.paused_add(pod, name, nth) as add:
            crashes.machine.forget_pod(pod)
        assert add.status == 0 or add.answer["code"] in (8, 11, 105), add.answer
        until(lambda: len(crashes.machine.links()) == 1, f"no link is left after {name} {nth}")
        crashes.delete(pod)
        crashes.assert_whole()
