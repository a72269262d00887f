"""What our nftables table says."""

from terway_edge.core.addresses import Prefix
from terway_edge.core.ports import Masquerade
from terway_edge.kernel.nft import masquerade_script


def test_link_local_and_multicast_are_never_translated():
    script = masquerade_script(Masquerade((Prefix.parse("10.0.0.0/24"), Prefix.parse("fd00::/64"))))
    assert "elements = { 169.254.0.0/16, 224.0.0.0/4 }" in script
    assert "elements = { fe80::/10, ff00::/8 }" in script
    assert "elements = { 169" not in masquerade_script(Masquerade((Prefix.parse("fd00::/64"),)))
