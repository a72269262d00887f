"""Laws of `delta`: applied to what is, it gives what should be, and nothing is sent that need not be."""

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.delta import delta

mappings = st.dictionaries(st.integers(0, 12), st.integers(0, 3).map(lambda n: n), max_size=10).map(
    lambda pairs: {key: (key, value) for key, value in pairs.items()}  # a value knows its key, as a route does
)


def applied(actual, change):
    result = dict(actual)
    for key, value in change.add:
        assert key not in result, "add is for keys that are not there"
        result[key] = (key, value)
    for key, value in change.replace:
        assert key in result, "replace is for keys that are there"
        result[key] = (key, value)
    for key, value in change.remove:
        assert result.pop(key) == (key, value), "remove names what is there now"
    return result


@given(mappings, mappings)
def test_applying_the_delta_gives_the_desired_mapping(actual, desired):
    assert applied(actual, delta(actual, desired)) == desired


@given(mappings)
def test_equal_mappings_need_nothing(values):
    change = delta(values, dict(values))
    assert change == ((), (), ())
    assert not change


@given(mappings, mappings)
def test_what_stays_equal_is_not_touched(actual, desired):
    change = delta(actual, desired)
    touched = {*change.add, *change.replace, *change.remove}
    assert touched.isdisjoint({actual[key] for key in actual if actual.get(key) == desired.get(key)})
    assert bool(change) == (actual != desired)
