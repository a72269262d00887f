"""Books, damages, measures and reports of a torture: what needs no node."""

import json
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.agent.records import replay
from terway_edge.core.failpoints import NAMES, _is_meant
from terway_edge.torture.books import Books
from terway_edge.torture.case import KINDS
from terway_edge.torture.failing import details
from terway_edge.torture.files import DAMAGES, damaged, shows
from terway_edge.torture.measuring import leaks
from terway_edge.torture.process import Usage
from terway_edge.torture.report import as_json, as_text, verdict
from terway_edge.torture.shim import Answer
from terway_edge.torture.soak import Sample, growth, memory, warm
from terway_edge.torture.trial import Record, Tally


def granted(books, address="10.0.0.2", **options):
    pod = books.new_pod(**options)
    books.granted(pod, json.dumps({"ips": [{"address": f"{address}/32"}]}))
    return pod


# --- books --------------------------------------------------------------------------------------------------------


def test_an_address_that_comes_back_to_another_pod_is_noted():
    books = Books("x")
    first = granted(books)
    books.given_back(first, since=0.0)
    second = granted(books)
    [reuse] = books.reuses
    assert (reuse.address, reuse.before, reuse.after) == ("10.0.0.2", first.key, second.key)
    assert reuse.distance > 0


def test_the_same_pod_may_have_its_address_back():
    books = Books("x")
    first = granted(books)
    books.given_back(first, since=0.0)
    granted(books, same_as=first)
    assert books.reuses == []


def test_sandboxes_have_ids_and_namespaces_of_their_own():
    books = Books("x")
    one = books.new_pod(port=30001)
    two = books.new_pod(same_as=one)
    assert (one.uid, one.name, one.port) == (two.uid, two.name, two.port)
    assert one.key != two.key
    assert one.netns != two.netns


@pytest.mark.parametrize("answer", ["", "{}", '{"ips": [{}]}'])
def test_what_is_no_result_is_an_error(answer):
    books = Books("x")
    with pytest.raises((ValueError, KeyError)):
        books.granted(books.new_pod(), answer)


# --- damages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", sorted({*DAMAGES} - {"gone"}))
@given(data=st.binary(min_size=1, max_size=200), chance=st.floats(0, 1, exclude_max=True))
def test_a_damage_changes_the_file(how, data, chance):
    changed = damaged(data, how, chance)
    assert changed != data or (how == "zeroed" and not any(data[int(chance * len(data)) :]))


def test_a_damage_is_one_that_the_store_tells_of():
    sound = b"".join([b"line\n"] * 3)
    assert replay(damaged(sound, "garbage at the end", 0.5), "boot").damage


@pytest.mark.parametrize(
    ("content", "how", "is_told"),
    [
        (b"one\n", "torn", False),
        (b"one\ntw", "torn", True),
        (b"", "torn", True),
        (b"", "empty", True),
        (b"one\n", "one bit", True),
        (b"", "gone", False),
    ],
)
def test_a_journal_that_ends_after_a_record_shows_no_damage(content, how, is_told):
    assert shows(content, how) == is_told


# --- failpoints ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_point_of_a_node_is_killed_stopped_and_delayed(kind):
    lines = {tuple(line.split()) for line in details(kind)}
    elsewhere = ("cache", "eni" if kind == "edge" else "bgp")
    for name in NAMES:
        assert ((name, "kill") in lines) == (not name.startswith(elsewhere))
    assert all(_is_meant(name, action) for name, action in lines)


# --- measures -----------------------------------------------------------------------------------------------------

BEGIN = Usage(20, 15, 40_000, 4)


@pytest.mark.parametrize("now", [BEGIN, Usage(22, 17, 41_999, 17), Usage(5, 5, 10)])
def test_what_is_given_back_is_no_leak(now):
    assert leaks(BEGIN, now) == []


@pytest.mark.parametrize(
    ("now", "about"),
    [
        (Usage(23, 15, 40_000), "descriptors"),
        (Usage(20, 18, 40_000), "threads"),
        (Usage(20, 15, 42_100), "memory"),
        (Usage(20, 15, 40_000, 16), "netlink sockets"),
    ],
)
def test_what_is_kept_is_a_leak(now, about):
    [complaint] = leaks(BEGIN, now)
    assert about in complaint


WARM = Sample(BEGIN, namespaces=10, connections=40, log=1000, journal=5000, pods=100)
LATER = WARM._replace(pods=1100)


@pytest.mark.parametrize(
    "now", [LATER, LATER._replace(log=21_000), LATER._replace(journal=90_000), LATER._replace(connections=44)]
)
def test_what_stays_as_it_is_does_not_grow(now):
    assert growth(WARM, now) == []


@pytest.mark.parametrize(
    ("now", "about"),
    [
        (LATER._replace(usage=BEGIN._replace(memory=42_100)), "memory"),
        (LATER._replace(namespaces=11), "namespaces"),
        (LATER._replace(connections=45), "connections"),
        (LATER._replace(log=21_001), "log"),
    ],
)
def test_what_grows_is_told(now, about):
    [complaint] = growth(WARM, now)
    assert about in complaint


@pytest.mark.parametrize(
    ("pods", "at"), [([100, 200, 300], 100), ([90, 200, 300], 200), ([1000, 2000, 3000, 50_000], 2000), ([0], 0)]
)
def test_a_soak_is_warm_after_a_third_or_so_many_pods(pods, at):
    assert warm([WARM._replace(pods=each) for each in pods]).pods == at


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (
            LATER._replace(pods=50_100, usage=BEGIN._replace(memory=40_500)),
            "+500 KiB in 50000 pods, +10.0 KiB a thousand",
        ),
        (LATER._replace(usage=BEGIN._replace(memory=39_990)), "-10 KiB in 1000 pods, -10.0 KiB a thousand"),
        (WARM, "+0 KiB in 0 pods"),
    ],
)
def test_memory_is_told_per_thousand_pods(now, told):
    assert told in memory(WARM, now)


# --- reports ------------------------------------------------------------------------------------------------------


def record(*troubles):
    made = Record(
        "edge", 7, {"ADD": Tally(3, len(troubles), 0.25, "x", "y")}, deque(["   1 ADD: 0.1 s"]), list(troubles)
    )
    made.acts, made.evidence = 12, "/tmp/there"
    return made


def test_a_sound_run_is_ok_and_names_its_seed():
    assert verdict([record()]) == "OK: 12 acts, 0 s; seeds: edge 7"
    assert "again:" not in as_text([record()])


def test_a_breach_is_told_with_its_history_and_the_command_that_repeats_it():
    text = as_text([record("I1 10.0.0.2: two owners")])
    for part in ("I1 10.0.0.2: two owners", "1 ADD: 0.1 s", "/tmp/there", "--node edge --seed 7 --acts 12", "BROKEN"):
        assert part in text


def test_scripts_get_the_same():
    told = json.loads(as_json([record("I1"), record()]))
    assert told["ok"] is False
    assert told["nodes"][0]["troubles"] == ["I1"]
    assert told["nodes"][0]["cases"] == {
        "ADD": {
            "tries": 3,
            "broken": 1,
            "slowest": 0.25,
            "after": "x",
            "for_lack_of": "y",
            "in_vain": 0,
            "because": "",
        }
    }
    assert told["nodes"][1]["history"] == []


def test_a_mode_is_repeated_as_such():
    made = Record("edge", 0, troubles=["x"], acts=5, mode="load")
    assert "again: terway-edge torture --mode load --acts 5" in as_text([made])
    assert verdict([made]) == "BROKEN on edge: 5 acts, 0 s"


def test_a_soak_is_repeated_at_its_rate():
    made = Record("edge", 0, troubles=["x"], acts=5, mode="soak", rate=30.0)
    assert "again: terway-edge torture --mode soak --rate 30 --acts 5\n" in as_text([made]) + "\n"
    assert "--rate" not in Record("edge", 0, mode="load").replay


def test_the_calm_part_that_ends_a_run_is_repeated_as_well():
    assert (
        Record("edge", 7, acts=5, is_closing=True).replay
        == "terway-edge torture --node edge --seed 7 --acts 5 --closing"
    )


def test_a_run_that_measured_nothing_says_so():
    assert "no leaks were looked for" in as_text([record()])


@pytest.mark.parametrize(
    ("tries", "in_vain", "is_told"), [(3, 3, True), (3, 2, False), (2, 2, False), (9, 9, True), (9, 0, False)]
)
def test_a_case_of_which_all_tries_were_in_vain_breaks_the_run(tries, in_vain, is_told):
    made = Record("edge", 7, {"full disk": Tally(tries, in_vain=in_vain, because="there was room")})
    assert made.idle() == (
        [f"full disk: all of {tries} tries were in vain; the last: there was room"] if is_told else []
    )


def test_tries_in_vain_have_a_column():
    made = Record("edge", 7, {"full disk": Tally(12, in_vain=5)})
    assert as_text([made]).splitlines()[0].split()[2:6] == ["tries", "in", "vain", "broken"]
    assert as_text([made]).splitlines()[2].split()[3:6] == ["12", "5", "0"]


def test_an_answer_reads_as_a_sentence():
    assert str(Answer("ADD", 0, "{}", 0, 0.5)) == "ADD after 0.50 s: success"
    assert str(Answer("DEL", 1, "no\n", -1, 0.5)) == "DEL after 0.50 s: status 1, code -1: no"
