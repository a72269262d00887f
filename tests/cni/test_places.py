"""The shim finds the agent only where it is built to look, or where the runtime's environment says."""

from pathlib import Path

from terway_edge.cni import shim
from terway_edge.cni.places import BUILT_IN, misplaced
from terway_edge.core.config import Settings

HERE = Settings(node_name="n1")
RUN, STATE = HERE.run_dir, HERE.state_dir


def test_what_is_built_in_is_what_the_settings_default_to():
    assert list(BUILT_IN.values()) == [RUN, STATE]
    source = Path(shim.__file__)
    for text in (source.read_text(), source.with_name("shim.c").read_text()):
        for name, path in BUILT_IN.items():
            assert f'"{name}"' in text
            assert f'"{path}"' in text


def test_the_built_in_directories_are_found():
    assert misplaced(RUN, STATE, {}) == ""
    assert misplaced(RUN, STATE, {"TERWAY_EDGE_RUN": "", "TERWAY_EDGE_STATE": "/var/lib/terway-edge/"}) == ""


def test_others_are_found_only_if_the_variables_say_so():
    told = misplaced(Path("/run/x"), STATE, {})
    assert told.startswith("the CNI shim looks in /run/terway-edge, not where")
    assert "Set TERWAY_EDGE_RUN=/run/x in the environment of the container runtime" in told
    assert "TERWAY_EDGE_STATE" not in told
    assert misplaced(Path("/run/x"), STATE, {"TERWAY_EDGE_RUN": "/run/x"}) == ""
    both = misplaced(Path("/run/x"), Path("/y"), {"TERWAY_EDGE_RUN": "/run/z"})
    assert "looks in /run/z and /var/lib/terway-edge, not" in both
    assert "TERWAY_EDGE_RUN=/run/x TERWAY_EDGE_STATE=/y" in both


def test_variables_that_lead_away_from_the_built_in_directories_are_told():
    assert "looks in /run/z," in misplaced(RUN, STATE, {"TERWAY_EDGE_RUN": "/run/z"})
