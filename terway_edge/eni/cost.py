"""How few calls can serve so many pods: what the pool's own number is held against."""

from __future__ import annotations


def fewest_calls(pods: int, *, per_eni: int, batch: int, enis: int) -> int:
    """Calls until that many pods are served on a node without ENIs for pods, whatever their order.

    Each ENI is created, with up to `batch` addresses, and attached; further addresses come up to `batch` a call; one
    list shows that all are in use. Pods beyond `enis` full ENIs are served by no number of calls.
    """
    pods = min(pods, enis * per_eni)
    if pods <= 0:
        return 0
    return 1 + min(_calls(pods, count, per_eni, batch) for count in range(-(-pods // per_eni), enis + 1))


def _calls(pods: int, enis: int, per_eni: int, batch: int) -> int:
    """With so many ENIs: what their creation does not bring comes by the fullest calls that are possible."""
    first = min(batch, per_eni)
    left = pods - enis * first
    calls = 2 * enis
    rooms = [min(batch, per_eni - first - done) for done in range(0, per_eni - first, batch) for _ in range(enis)]
    for room in sorted(rooms, reverse=True):
        if left <= 0:
            break
        left -= room
        calls += 1
    return calls
