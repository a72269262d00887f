"""Questions of the command line: those to the agent itself, and those that a plugin answers."""

import pytest

from terway_edge.agent.queries import Queries
from terway_edge.core.dispatcher import Dispatcher
from terway_edge.core.errors import Refused
from terway_edge.core.hookspecs import hookimpl


class Answering:
    def __init__(self):
        self.asked = []

    @hookimpl
    def terway_edge_query(self, words):
        self.asked.append(list(words))
        if words[0] == "what":
            raise Refused("questions are: peers")
        return {"words": list(words)}


@pytest.fixture
def plugin(rig):
    made = Answering()
    rig.manager.register(made, name="answering")
    return made


@pytest.fixture
def queries(rig, plugin):
    dispatcher = Dispatcher(rig.manager, lambda *_: None)
    return Queries(rig.settings, rig.kernel, rig.ipam, dispatcher, None, None, [], rig.telemetry, rig.clock)


def test_the_agents_own_questions_come_first(queries, plugin):
    assert queries.answer("leases") == {"leases": []}
    assert queries.answer("config")["node_name"] == "n1"
    assert plugin.asked == []


@pytest.mark.parametrize(
    ("query", "words"),
    [("answering peers", ["peers"]), ("answering  explain 10.0.0.0/8 ", ["explain", "10.0.0.0/8"])],
)
def test_a_plugins_question_is_its_name_and_words(queries, query, words):
    assert queries.answer(query) == {"words": words}


@pytest.mark.parametrize("query", ["", "nothing", "answering", "another peers", "leases all"])
def test_what_nobody_answers_is_refused_with_what_there_is(queries, plugin, query):
    with pytest.raises(Refused, match=r"there are status, leases, routes, plugins, config, and those of plugins"):
        queries.answer(query)
    assert plugin.asked == []


def test_a_plugin_refuses_in_its_own_words(queries):
    with pytest.raises(Refused, match="questions are: peers"):
        queries.answer("answering what")
    with pytest.raises(Refused, match="plugin 'flannel_route' answers no questions"):
        queries.answer("flannel_route peers")
