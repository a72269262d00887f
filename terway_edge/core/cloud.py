"""The cloud as the core needs it: ENIs, their addresses, and the network they are in. Values are immutable.

ECS and ENS offer the same port; what one of them cannot do is told by its `Features`, never by asking which it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import TRY_AGAIN, EdgeError, Refused
from terway_edge.core.secret import Secret


class EniStatus(StrEnum):
    """As the API says; changes take seconds."""

    AVAILABLE = "Available"
    ATTACHING = "Attaching"
    IN_USE = "InUse"
    DETACHING = "Detaching"
    DELETING = "Deleting"
    UNKNOWN = "Unknown"
    """Any other: neither used nor given back."""


class EniKind(StrEnum):
    PRIMARY = "Primary"
    SECONDARY = "Secondary"
    TRUNK = "Trunk"
    MEMBER = "Member"
    UNKNOWN = "Unknown"
    """Any other: none of ours."""


@dataclass(frozen=True, slots=True)
class Eni:
    """One elastic network interface. `addresses` are all it owns, of both families, `primary` among them;
    `prefixes` are delegated as a whole (/28 and /80). `mac` is 6 bytes; `instance` is empty while it is attached to
    none; `checks_source`: packets with other sources than its addresses are dropped."""

    id: str
    mac: bytes
    status: EniStatus
    kind: EniKind
    vswitch: str
    primary: Address
    addresses: tuple[Address, ...]
    prefixes: tuple[Prefix, ...] = ()
    instance: str = ""
    zone: str = ""
    name: str = ""
    security_groups: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    checks_source: bool = False


@dataclass(frozen=True, slots=True)
class VSwitch:
    """A cloud subnet of one zone; `free` is how many addresses the cloud says are left (it may be old); `gateway` is
    what packets of its ENIs are sent to."""

    id: str
    zone: str
    cidr: Prefix
    gateway: Address
    ipv6_cidr: Prefix | None = None
    ipv6_gateway: Address | None = None
    free: int = 0


@dataclass(frozen=True, slots=True)
class Instance:
    """The virtual machine a node runs on; `network` is the VPC or ENS network."""

    id: str
    type: str
    zone: str
    network: str
    vswitch: str
    is_running: bool = True


class Limits(NamedTuple):
    """What an instance type takes: ENIs with the primary one, and addresses per ENI with its primary one."""

    enis: int
    ipv4_per_eni: int
    ipv6_per_eni: int = 0


@dataclass(frozen=True, slots=True)
class Features:
    """What an API can do.

    `assigns_many`: several addresses in one call; `has_tokens`: a ClientToken makes a call harmless to repeat;
    `attaches_hot`: an ENI can be attached to a running instance; `has_tags`, `has_ipv6`, `has_prefixes`: of ENIs;
    `batch`: most addresses in one call; of a wish for more perhaps no more than these are added.
    """

    attaches_hot: bool
    assigns_many: bool
    has_tokens: bool
    has_tags: bool
    has_ipv6: bool
    has_prefixes: bool
    batch: int = 10


class Cause(StrEnum):
    """Why the cloud refused, as far as it changes what to do next."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    """No answer or none that tells what happened: the call may have had its effect."""
    EXHAUSTED = "exhausted"
    """The vSwitch has no address left."""
    QUOTA = "quota"
    """The instance or account may not have more."""
    CONFLICT = "conflict"
    """Another change is under way, or the ENI is in another state."""
    MISSING = "missing"
    DENIED = "denied"
    SPENT = "spent"
    """The intent served another wish before, or the API lost it: make a new wish."""
    INVALID = "invalid"


class CloudError(EdgeError):
    """A call failed. `action` is the API's name for it, `error_code` the API's, `request_id` what support asks for;
    `is_retryable`: the same call may succeed later. The message says what to do next."""

    code = TRY_AGAIN

    def __init__(
        self,
        message: str,
        *,
        action: str,
        cause: Cause,
        error_code: str = "",
        http_status: int = 0,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.action = action
        self.cause = cause
        self.error_code = error_code
        self.http_status = http_status
        self.request_id = request_id

    @property
    def is_retryable(self) -> bool:
        return self.cause in (Cause.THROTTLED, Cause.UNAVAILABLE, Cause.CONFLICT)


class EniWish(NamedTuple):
    """An ENI to be made. `intent` is unique to the wish and the same in every attempt: the ClientToken where there are
    such, else the ENI's name by which an earlier attempt is found (2 to 60 printable ASCII characters). `ipv4` counts
    the primary address."""

    intent: str
    vswitch: str
    security_groups: tuple[str, ...]
    ipv4: int = 1
    ipv6: int = 0
    ipv4_prefixes: int = 0
    ipv6_prefixes: int = 0
    tags: Mapping[str, str] = {}
    resource_group: str = ""
    checks_source: bool = False


class AddressWish(NamedTuple):
    """Addresses or prefixes to be added to an ENI; `intent` as in `EniWish`, and `before` what the ENI was known to
    have when the wish was first uttered (an API without tokens tells by the difference what an earlier attempt did);
    empty: no attempt was made before. `parted` was taken from the ENI not long ago: lists may show it still."""

    intent: str
    eni: str
    before: tuple[Address | Prefix, ...] = ()
    ipv4: int = 0
    ipv6: int = 0
    ipv4_prefixes: int = 0
    ipv6_prefixes: int = 0
    parted: tuple[Address | Prefix, ...] = ()


class Cloud(Protocol):
    """Blocking; any thread may call. Every method raises CloudError; calls that the API lets be repeated without harm
    are repeated until `deadline` (seconds of `ports.Clock`), which every call has from its caller. After an error of
    which the cause is UNAVAILABLE the same wish is uttered again, else what it did is known by a listing only."""

    @property
    def features(self) -> Features: ...

    def instance(self, instance: str, deadline: float) -> Instance:
        """Raises CloudError, cause MISSING, if there is none of that id."""

    def limits(self, instance_type: str, deadline: float) -> Limits: ...

    def vswitches(self, ids: Sequence[str], deadline: float) -> list[VSwitch]:
        """Those of them that there are."""

    def enis_of(self, instance: str, deadline: float) -> list[Eni]:
        """All that are attached to the instance, or about to be."""

    def find_enis(self, deadline: float, *, tags: Mapping[str, str] | None = None, name: str = "") -> list[Eni]:
        """Those with all these tags and this name, attached or not; without both, all of the region."""

    def create_eni(self, wish: EniWish, deadline: float) -> Eni:
        """It may have less addresses than were wished for."""

    def attach(self, eni: str, instance: str, deadline: float) -> None:
        """Ask for it; `enis_of` tells when it is done. Attached already is success."""

    def detach(self, eni: str, instance: str, deadline: float) -> None:
        """Ask for it. A missing ENI is success."""

    def delete_eni(self, eni: str, deadline: float) -> None:
        """A missing one is success."""

    def assign(self, wish: AddressWish, deadline: float) -> tuple[Address | Prefix, ...]:
        """What was added, by this or an earlier attempt at the wish; perhaps less than was wished for."""

    def unassign(self, eni: str, what: Sequence[Address | Prefix], deadline: float) -> None:
        """What is missing is success."""

    def disable_source_check(self, eni: str, deadline: float) -> None:
        """Let packets with other sources than the ENI's addresses pass, where the API has such a check."""


class Api(StrEnum):
    """Whose virtual machine the node is: one of the cloud, or one of an edge site."""

    ECS = "ecs"
    ENS = "ens"


class CloudAccess(NamedTuple):
    """What the cluster says of the way to the cloud; the agent's own settings win.

    :param key: (AccessKey id, its secret)
    :param credentials_path: a file, or a directory as a Secret is mounted
    :param rate_limit: calls per minute by action
    :param instance_type_info: what the node's instance type takes, an item of DescribeInstanceTypes in JSON
    """

    region: str = ""
    key: tuple[Secret, Secret] | None = None
    credentials_path: Path | None = None
    rate_limit: Mapping[str, int] = {}
    instance_type_info: str = ""


NO_ACCESS = CloudAccess()


class Clouds(Protocol):
    """The APIs that the agent can call."""

    def open(self, api: Api, deadline: float, access: CloudAccess = NO_ACCESS) -> Cloud:
        """Ready to be called. Raises CloudError, or Refused if the agent cannot call any."""

    def metadata(self) -> Metadata:
        """What the instance is told about itself. Raises as `open`."""


class NoClouds:
    """`Clouds` of an agent that has none."""

    def open(self, api: Api, deadline: float, access: CloudAccess = NO_ACCESS) -> NoReturn:
        raise Refused(f"cloud support is not configured: nothing is known of an API of {api.upper()}")

    def metadata(self) -> NoReturn:
        raise Refused("cloud support is not configured: the instance's metadata is not read")


class SeenEni(NamedTuple):
    """An ENI as the instance's metadata shows it."""

    id: str
    mac: bytes
    primary: Address
    addresses: frozenset[Address]


class Metadata(Protocol):
    """What an instance is told about itself, some seconds later than the API: a second witness. ENS has none.

    Blocking; any thread may call. Every method raises CloudError.
    """

    def region(self, deadline: float) -> str: ...

    def instance(self, deadline: float) -> Instance: ...

    def enis(self, deadline: float) -> list[SeenEni]: ...

    def await_addresses(
        self, mac: bytes, deadline: float, *, present: Collection[Address] = (), absent: Collection[Address] = ()
    ) -> bool:
        """Wait until the ENI is shown with the ones and without the others; False if it was not by the deadline."""
