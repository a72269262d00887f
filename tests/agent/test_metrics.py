"""Metrics, read back by Prometheus' own parser, and health."""

import logging
import threading
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.metrics import AgentCollector, MetricsServer
from terway_edge.agent.telemetry import BUCKETS, Telemetry
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Condition, Route, RouteSet
from terway_edge.testing.events import RecordedEvents


@pytest.fixture
def registry(rig):
    routes = RouteSet(
        (Route(Prefix.parse("10.9.0.0/24"), Address.parse("192.0.2.9"), "n9"),), (Condition("OffLink", "n9", "m"),)
    )
    made = CollectorRegistry()
    conditions = Conditions(RecordedEvents())
    conditions.say("routes", *routes.conditions)
    made.register(AgentCollector(rig.telemetry, rig.ipam, lambda: routes, conditions))
    return made


def samples(text):
    """{(name, labels): value}, as Prometheus reads it."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(registry):
    return samples(generate_latest(registry).decode())


def test_calls_are_counted_by_command_and_code(rig, registry):
    for code in (0, 0, 11):
        rig.telemetry.called("ADD", code, 0.004)
    rig.telemetry.called("DEL", 0, 0.004)
    found = scrape(registry)
    assert found["terway_edge_cni_calls_total", ("code", "0"), ("command", "ADD")] == 2
    assert found["terway_edge_cni_calls_total", ("code", "11"), ("command", "ADD")] == 1
    assert found["terway_edge_cni_calls_total", ("code", "0"), ("command", "DEL")] == 1


def test_times_are_a_cumulative_histogram(rig, registry):
    for seconds in (0.0005, 0.001, 0.003, 999.0):
        rig.telemetry.called("ADD", 0, seconds)
    found = scrape(registry)

    def bucket(bound):
        return found["terway_edge_cni_seconds_bucket", ("command", "ADD"), ("le", bound)]

    assert [bucket(str(bound)) for bound in BUCKETS[:3]] == [2, 2, 3]  # a bound belongs to its bucket
    assert bucket("60.0") == 3
    assert bucket("+Inf") == found["terway_edge_cni_seconds_count", ("command", "ADD")] == 4
    assert found["terway_edge_cni_seconds_sum", ("command", "ADD")] == pytest.approx(999.0045)


def test_pools_and_leases_add_up(rig, registry):
    for name in ("c1", "c2", "c3"):
        rig.add(name)
    rig.delete("c3")
    found = scrape(registry)
    states = {
        state: found["terway_edge_pool_addresses", ("pool", "10.0.0.0/28"), ("state", state)]
        for state in ("free", "used", "cooling", "reserved")
    }
    assert (states["used"], states["cooling"], sum(states.values())) == (2, 1, 16)
    assert found["terway_edge_leases",] == 2
    assert (found["terway_edge_routes",], found["terway_edge_conditions",]) == (1, 1)


def test_repairs_are_counted(rig, registry):
    rig.add("c1")
    rig.kernel.flush_routes()
    assert scrape(registry)["terway_edge_repairs_total", ("kind", "event")] == 1


def test_no_count_is_lost_between_threads():
    telemetry = Telemetry()
    threads = [
        threading.Thread(target=lambda: [telemetry.called("ADD", 0, 0.01) for _ in range(2000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert telemetry.calls["ADD", 0] == sum(telemetry.times["ADD"].counts) == 8000


@pytest.fixture
def why_not():
    return [""]


@pytest.fixture
def server(registry, why_not):
    made = MetricsServer("127.0.0.1", 0, registry, lambda: why_not[0])
    yield made
    made.close()


def get(server, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_endpoint_serves_what_the_parser_reads(rig, server):
    rig.telemetry.called("ADD", 0, 0.1)
    status, text = get(server, "/metrics")
    assert status == 200
    assert samples(text)["terway_edge_cni_calls_total", ("code", "0"), ("command", "ADD")] == 1


def test_ready_says_why_not(server, why_not):
    assert get(server, "/readyz") == (200, "ok\n")
    why_not[0] = "the cluster has no Node 'n1'"
    assert get(server, "/readyz") == (503, "the cluster has no Node 'n1'\n")
    assert get(server, "/healthz") == (200, "ok\n")


def test_other_paths_are_told_which_there_are(server):
    status, text = get(server, "/secret")
    assert status == 404
    assert "/metrics" in text


def test_a_taken_port_is_an_error_and_ipv6_is_served(server, registry):
    with pytest.raises(OSError, match="in use"):
        MetricsServer("127.0.0.1", server.port, registry, str)
    six = MetricsServer("::1", 0, registry, str)
    try:
        with urllib.request.urlopen(f"http://[::1]:{six.port}/healthz", timeout=5) as answer:
            assert answer.read() == b"ok\n"
    finally:
        six.close()


def test_requests_are_logged_for_debugging_only(server, caplog):
    caplog.set_level(logging.INFO)
    get(server, "/healthz")
    assert caplog.text == ""
