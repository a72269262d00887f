"""A link with the name of a pod's that is not ours, on the twin and on Linux: whatever is done, it stays."""

import errno

import pytest

from terway_edge.core.errors import KernelError
from terway_edge.core.names import link_alias, link_name
from terway_edge.core.plans import Link, Veth
from terway_edge.core.plumbing import FIRST_IFINDEX, Plumbing
from tests.kernel.contract import lease, sandbox

OTHER = link_alias(("another", "eth0"))


@pytest.mark.parametrize("alias", ["", "a word", OTHER])
@pytest.mark.parametrize("ifindex", [77, FIRST_IFINDEX + 5])
def test_t42_a_foreign_link_with_our_name_is_never_deleted(world, kernel, pod_netns, alias, ifindex):
    box = sandbox(pod_netns())
    held, name = lease(box, "10.9.0.5"), link_name(box.key)
    world.foreign_link(name, ifindex, alias)
    before = world.picture()
    plumbing = Plumbing(kernel)
    with pytest.raises(KernelError) as refusal:
        plumbing.attach(box, held, 1500)
    assert (refusal.value.errno, type(refusal.value.item)) == (errno.EEXIST, Veth)
    assert [found.what for found in plumbing.check(box, held, repair=True)][:1] == [f"host link {name} is missing"]
    plumbing.detach(held)
    kernel.unplug([box.key])
    kernel.settle()
    assert world.picture() == before
    assert [(link.ifindex, link.alias) for link in kernel.dump(Link) if link.name == name] == [(ifindex, alias)]
