"""Rules of CRDs."""

from __future__ import annotations

import pytest

from terway_edge.testing.apiserver.cel import CelError, Rule


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("self != 23456 && self != 65535", 65010, True),
        ("self != 23456 && self != 65535", 23456, False),
        ("isIP(self) && ip(self).family() == 4", "10.0.0.1", True),
        ("isIP(self) && ip(self).family() == 4", "010.0.0.1", False),
        ("isIP(self) && ip(self).family() == 4", "fe80::1", False),
        ("isIP(self)", "fe80::1%eth0", False),
        ("isIP(self)", "::ffff:10.0.0.1", False),
        ("ip(self).isLoopback() || ip(self).isUnspecified()", "127.0.0.1", True),
        ("ip(self).isGlobalUnicast()", "10.0.0.1", True),
        ("ip(self).isGlobalUnicast()", "224.0.0.1", False),
        ("ip(self).isGlobalUnicast()", "255.255.255.255", False),
        ("ip(self).isLinkLocalMulticast()", "ff02::1", True),
        ("cidr('224.0.0.0/3').containsIP(ip(self))", "239.1.1.1", True),
        ("cidr('10.0.0.0/8').containsCIDR(self)", "10.1.0.0/16", True),
        ("cidr(self).prefixLength() == 24 && isCIDR(self)", "10.0.0.0/24", True),
        ("isCIDR(self)", "10.0.0.0", False),
        ("self.all(x, x > 1) && self.exists(x, x == 3)", [2, 3], True),
        ("self.all(x, self.exists_one(y, y == x))", ["a", "b", "a"], False),
        ("self.filter(x, x > 1).size() == 1 && self.map(x, x * 2) == [2, 4]", [1, 2], True),
        ("!has(self.a) || self.a.b == 'x'", {}, True),
        ("!has(self.a) || self.a.b == 'x'", {"a": {"b": "y"}}, False),
        ("has(self.a.b) ? self.a.b > 0 : true", {"a": {"b": 0}}, False),
        ("self.missing == 1 || true", {}, True),
        ("false && self.missing == 1", {}, False),
        ("self['a-b'] in ['x', \"y\"]", {"a-b": "y"}, True),
        ("'a' in self", {"a": 1}, True),
        ("size(self) <= 3 && self.matches('^a+$')", "aaa", True),
        ("self.startsWith('ab') && self.endsWith('c') && self.contains('b')", "abc", True),
        ("self == 'it\\'s' || self == r'a\\d'", "a\\d", True),
        ("-7 / 2 == -3 && -7 % 2 == -1 && 1 + 2 * 3 == 7", 0, True),
        ("self - 1.5 == 1.0", 2.5, True),
        ("(self ? 1 : 2) == 1", True, True),
        ("self.split(':').size() == 2 && int(self.split(':')[1]) < 65536", "a:80", True),
        ("self.isSorted() && self.indexOf(3) == 1 && self.sum() == 5", [2, 3], True),
        ("self == oldSelf", 1, False),
    ],
)
def test_values(rule, value, expected):
    assert Rule(rule).holds(value, 2) is expected


@pytest.mark.parametrize("rule", ["self.a == 1", "self != 1 && 1", "1 / 0 == 1", "1 < 'a'", "ip('x').family() == 4"])
def test_rules_without_a_value(rule):
    with pytest.raises(CelError):
        Rule(rule).holds({}, None)


@pytest.mark.parametrize(
    "rule", ["", "self ==", "other == 1", "nothing(self)", "self.nothing()", "(self", "'open", "self[", "a.all(", "§"]
)
def test_rules_that_cannot_be_read(rule):
    with pytest.raises(CelError):
        Rule(rule)


def test_a_variable_of_a_macro_ends_with_it():
    with pytest.raises(CelError, match="undeclared reference to 'x'"):
        Rule("self.all(x, x) && x")
    assert Rule("oldSelf == self").is_transition
    assert not Rule("self == 1").is_transition
