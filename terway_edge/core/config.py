"""The agent's settings: one model, every field with its unit and default.

A file gives a mapping shaped as `Settings`; the environment overrides it, `TERWAY_EDGE_<SECTION>__<KEY>` for a key of
a section (`TERWAY_EDGE_LOG__LEVEL=debug`) and `TERWAY_EDGE_<KEY>` for one without (`core.environment`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from terway_edge.core.addresses import Address
from terway_edge.core.config_error import ConfigError, explain
from terway_edge.core.environment import overlay
from terway_edge.core.fields import (
    AbsolutePath,
    Cidr,
    IpAddress,
    Ipv4Address,
    Ipv6Address,
    LabelSelector,
    Regex,
)
from terway_edge.core.plans import MIN_MTU6
from terway_edge.core.selection import PoolRule

PLUGIN_NAME = r"^[a-z][a-z0-9_]*$"
MAX_MTU = 65535  # bytes; what a veth takes (ETH_MAX_MTU)
HOST_AND_PORT = r"^([A-Za-z0-9._-]+(:[0-9]{1,5})?)?$"


class Section(BaseModel):
    """Frozen; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Cluster(Section):
    source: Literal["manifests", "api"] = Field(
        "manifests", description="where cluster objects come from: a directory, or the Kubernetes API"
    )
    manifests: AbsolutePath = Field(
        Path("/etc/terway-edge/manifests"), description="directory of Node, BGPPeer and Secret manifests; watched"
    )
    kubeconfig: AbsolutePath | None = Field(
        None, description="file with API server and credentials; null: those of the Pod that the agent runs in"
    )


class Cloud(Section):
    """The cloud's API, which agents of ECS and ENS nodes call; eni-config serves where these are not set."""

    region: str = Field("", pattern=r"^[a-zA-Z0-9_-]*$", description="RegionId of ECS; empty: the instance's own")
    ens_region: str = Field("", pattern=r"^[a-zA-Z0-9_-]*$", description="EnsRegionId of the edge site; empty: all")
    ecs_endpoint: str = Field("", pattern=HOST_AND_PORT, description="host or host:port; empty: the region's")
    vpc_endpoint: str = Field("", pattern=HOST_AND_PORT, description="host or host:port; empty: the region's")
    ens_endpoint: str = Field("ens.aliyuncs.com", pattern=HOST_AND_PORT, description="host or host:port")
    metadata_url: str = Field(
        "http://100.100.100.200", pattern=r"^http://[^/]+$", description="where instances are told about themselves"
    )
    protocol: Literal["https", "http"] = Field("https", description="http sends requests in the clear: for tests")
    proxy: str | None = Field(
        None, description="URL of a proxy for the API; null: by HTTPS_PROXY, HTTP_PROXY and NO_PROXY; empty: none"
    )
    ca_bundle: AbsolutePath | None = Field(
        None, description="file of trusted certificates; null: ALIBABA_CLOUD_CA_BUNDLE, else the SDK's own"
    )
    credentials: Literal["auto", "environment", "path", "role"] = Field(
        "auto",
        description="source of the AccessKey; auto: credentials_path, environment, those of eni-config, RAM role",
    )
    credentials_path: AbsolutePath | None = Field(
        None, description="file with credentials, or directory as a Secret is mounted; read again when it changes"
    )
    role: str = Field("", description="name of the instance's RAM role; empty: as its metadata says")
    rate_limit: Mapping[str, Annotated[int, Field(ge=1, le=100000)]] = Field(
        {}, description="mapping of actions of the API to the most calls per minute of this node"
    )
    connect_timeout_seconds: float = Field(5, gt=0, le=60, description="seconds until a connection must be there")
    read_timeout_seconds: float = Field(20, gt=0, le=300, description="seconds until an answer must be there")
    ens_max_enis: int = Field(10, ge=1, le=64, description="ENIs of an ENS instance, the primary one among them")
    ens_addresses_per_eni: int = Field(
        25, ge=1, le=256, description="addresses of an ENS ENI, its primary one among them"
    )

    @model_validator(mode="after")
    def _path_is_there(self) -> Cloud:
        if self.credentials == "path" and self.credentials_path is None:
            raise ValueError("credentials is path and credentials_path is not set: set it")
        return self


class Cni(Section):
    install: bool = Field(True, description="whether the agent installs the shim and the CNI configuration")
    bin_dir: AbsolutePath = Field(Path("/opt/cni/bin"), description="directory where the runtime looks for plugins")
    conf_dir: AbsolutePath = Field(Path("/etc/cni/net.d"), description="directory of the runtime's CNI configuration")
    conf_name: str = Field(
        "10-terway-edge.conflist",
        pattern=r"^[^/]+\.conflist$",
        description="name of our file in conf_dir, ending in .conflist; runtimes take the first by name",
    )
    network: str = Field(
        "terway-edge", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="name of the network in CNI results"
    )
    workers: int = Field(8, ge=1, le=256, description="requests served at the same time, 1..256")
    anti_spoofing: bool = Field(
        True, description="whether what a pod sends with an address or a MAC that is not its own is dropped"
    )


class Interface(Section):
    """How the uplink is found: names, then regex, then can_reach, then public_ip, then the default route."""

    names: tuple[str, ...] = Field((), description="list of link names or own addresses; the first that exists")
    regex: tuple[Regex, ...] = Field((), description="list of regular expressions for own addresses, then link names")
    can_reach: IpAddress | None = Field(None, description="the uplink is the link that routes to this address")
    public_ip: Ipv4Address | None = Field(None, description="IPv4 address that other nodes reach this one at")
    public_ipv6: Ipv6Address | None = Field(None, description="IPv6 address that other nodes reach this one at")


class Ipam(Section):
    cooldown_seconds: float = Field(
        30, ge=0, le=86400, description="seconds before a released address goes to another pod, 0..86400"
    )
    pods_per_node: int = Field(0, ge=0, description="most pods with an address of ours on this node; 0: no limit")
    reserved: tuple[IpAddress, ...] = Field((), description="list of addresses that no pod gets")


class Masquerade(Section):
    enabled: bool = Field(True, description="whether pods reach what is outside the cluster with the node's address")
    exclude: tuple[Cidr, ...] = Field((), description="list of CIDRs that see the pod's own address")


class Routes(Section):
    edge_cidrs: tuple[Cidr, ...] = Field(
        (), description="list of CIDRs that hold the pods of other LANs; each becomes one route via the gateway"
    )
    gateway: tuple[IpAddress, ...] = Field(
        (),
        description="list of next hops towards other LANs, one per family; empty: of a BGPPeer or the default route",
    )
    cross_domain_cidrs: tuple[Cidr, ...] = Field(
        (), description="list of CIDRs outside the edge, such as VPC or data centre, that are reached via the gateway"
    )
    resync_seconds: float = Field(60, ge=1, le=86400, description="seconds between comparisons with the kernel")

    @model_validator(mode="after")
    def _one_gateway_per_family(self) -> Routes:
        if len({address.family for address in self.gateway}) < len(self.gateway):
            raise ValueError("gateway has two addresses of one family, expected at most one per family: remove one")
        return self

    @model_validator(mode="after")
    def _no_default_route(self) -> Routes:
        if any(cidr.length == 0 for cidr in self.cross_domain_cidrs):
            raise ValueError("cross_domain_cidrs has a default route, which is the node's own: remove it")
        return self


class Bgp(Section):
    """How speakers behave; with whom they speak is told by BGPPeer objects."""

    listen_port: int = Field(0, ge=0, le=65535, description="TCP port to accept sessions on; 0: only connect")
    shrink_percent: int = Field(
        30, ge=0, le=100, description="percent of the announced nodes whose loss at a start is held back, 0..100"
    )
    hold_back_seconds: int = Field(300, ge=0, le=3600, description="seconds that such a loss is held back, 0..3600")
    max_received_prefixes: int = Field(
        10000, ge=0, le=1000000, description="most prefixes a switch should send us, 0..1000000; 0: no limit"
    )
    on_max_received: Literal["ignore", "cease"] = Field(
        "ignore", description="what happens beyond it: a condition only, or the end of the session"
    )


class NodePool(Section):
    selector: LabelSelector = Field(description="label selector of the nodes meant, or all(); the first match wins")
    backend: str = Field(pattern=PLUGIN_NAME, description="plugin that serves the pods of these nodes")
    advertisers: tuple[str, ...] = Field((), description="list of plugins that announce the routes of these nodes")
    lan: str | None = Field(None, min_length=1, description="name of their LAN; null: by node pool or subnet")


class Plugins(Section):
    disabled: tuple[str, ...] = Field((), description="list of plugins that are not loaded")


class Metrics(Section):
    enabled: bool = Field(True, description="whether metrics and health are served over HTTP")
    address: IpAddress = Field(
        Address.parse("127.0.0.1"), description="address to listen on", json_schema_extra={"default": "127.0.0.1"}
    )
    port: int = Field(9797, ge=0, le=65535, description="TCP port to listen on; 0: any free one")


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severity that is logged")
    format: Literal["text", "json"] = Field("text", description="lines for people, or one JSON object per line")


class Gc(Section):
    """Collection of what lost pods left behind."""

    period_seconds: float = Field(60, ge=1, le=86400, description="seconds between two rounds")
    grace_seconds: float = Field(120, ge=0, le=86400, description="seconds a sandbox must be gone before it is freed")


class Controlplane(Section):
    """What the control plane does for the whole cluster; agents do not look at it."""

    allocate_pod_cidrs: bool = Field(
        False, description="whether edge nodes without a pod CIDR get one; not if the controller-manager gives them"
    )
    pod_cidr_ranges: tuple[Cidr, ...] = Field(
        (), description="list of Edge container CIDRs that pod CIDRs are taken from, in order; of one or both families"
    )
    pods_per_node: int = Field(
        128, ge=1, le=65536, description="most pods of an edge node, 1..65536: the size of its pod CIDR follows from it"
    )
    pod_cidr_selector: LabelSelector = Field(
        "all()", validate_default=True, description="label selector of the edge nodes that get one, or all()"
    )
    service_cidrs: tuple[Cidr, ...] = Field((), description="list of the CIDRs of Services: no pod CIDR overlaps them")
    reserved_cidrs: tuple[Cidr, ...] = Field((), description="list of CIDRs that no pod CIDR overlaps")
    pod_cidr_rest_seconds: float = Field(
        600, ge=0, le=86400, description="seconds before another node gets what a deleted one had, 0..86400"
    )
    agent_grace_seconds: float = Field(
        120,
        ge=0,
        le=86400,
        description="seconds that an agent may be silent before its node gets no new pods, 0..86400; 0: for ever",
    )
    orphan_enis: Literal["delete", "tell", "ignore"] = Field(
        "delete", description="what becomes of ENIs that agents made for instances that are gone"
    )

    @model_validator(mode="after")
    def _knows_what_to_give(self) -> Controlplane:
        for name in ("pod_cidr_ranges", "service_cidrs"):
            if self.allocate_pod_cidrs and not getattr(self, name):
                raise ValueError(f"allocate_pod_cidrs is true and {name} is empty: set it")
        return self


class Settings(Section):
    node_name: str = Field(
        min_length=1, max_length=253, description="name of this node's Node object; else NODE_NAME, else the hostname"
    )
    run_dir: AbsolutePath = Field(Path("/run/terway-edge"), description="directory for sockets, emptied by a reboot")
    state_dir: AbsolutePath = Field(Path("/var/lib/terway-edge"), description="directory for what survives a reboot")
    proc_sys_net: AbsolutePath = Field(
        Path("/proc/sys/net"),
        description="where the network's sysctls can be written; in a container the host's are mounted elsewhere",
    )
    mtu: int | None = Field(
        None, ge=576, le=MAX_MTU, description=f"bytes, 576..{MAX_MTU}, from {MIN_MTU6} with IPv6; null: the uplink's"
    )
    cluster: Cluster = Field(Cluster(), description="source of cluster objects")
    cloud: Cloud = Field(Cloud(), description="the cloud's API; for ECS and ENS nodes")
    cni: Cni = Field(Cni(), description="the runtime's side")
    interface: Interface = Field(Interface(), description="choice of the uplink")
    ipam: Ipam = Field(Ipam(), description="addresses of pods")
    masquerade: Masquerade = Field(Masquerade(), description="source translation of what leaves the cluster")
    routes: Routes = Field(Routes(), description="routes to other nodes' pods")
    bgp: Bgp = Field(Bgp(), description="BGP speakers")
    node_pools: tuple[NodePool, ...] = Field((), description="list of rules that choose backend and LAN of nodes")
    plugins: Plugins = Field(Plugins(), description="which plugins are loaded")
    metrics: Metrics = Field(Metrics(), description="metrics and health endpoint")
    log: Log = Field(Log(), description="log output")
    gc: Gc = Field(Gc(), description="collection of what lost pods left behind")
    controlplane: Controlplane = Field(Controlplane(), description="what is done once for the whole cluster")

    @model_validator(mode="after")
    def _mtu_carries_ipv6(self) -> Settings:
        cidrs = (*self.routes.edge_cidrs, *self.routes.cross_domain_cidrs)
        families = {cidr.family for cidr in cidrs} | {address.family for address in self.routes.gateway}
        if self.mtu is not None and self.mtu < MIN_MTU6 and 6 in families:
            raise ValueError(f"mtu is {self.mtu} and routes are IPv6, expected at least {MIN_MTU6}: raise mtu")
        return self

    @property
    def pool_rules(self) -> tuple[PoolRule, ...]:
        """`node_pools` as `core.selection` takes them."""
        return tuple(PoolRule(p.selector, p.backend, p.advertisers, p.lan or "") for p in self.node_pools)


def load(mapping: Mapping[str, Any], environ: Mapping[str, str], hostname: str = "") -> Settings:
    """Settings from a file's mapping and the environment; raises ConfigError with one line per mistake.

    :param hostname: the node's name if neither the mapping nor NODE_NAME gives one; lower-cased as the kubelet does.
    """
    merged, origins, problems = overlay(Settings, mapping, environ)
    name = environ.get("NODE_NAME") or hostname.lower()
    if name and "node_name" not in merged:
        merged["node_name"] = name
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError([*problems, *explain(error, Settings, origins)]) from None
    if problems:
        raise ConfigError(problems)
    return settings


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the configuration file."""
    return Settings.model_json_schema()
