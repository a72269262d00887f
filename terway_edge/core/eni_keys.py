"""The keys of Terway's configuration that mean something here, as typed values: `eni_conf` and `10-terway.conf`.

A description says what the key does in this product; it is what an operator reads of a key that is honoured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from terway_edge.core.config import MAX_MTU
from terway_edge.core.eni_fields import (
    Bandwidth,
    Count,
    Flag,
    Fraction,
    Mtu,
    Number,
    PerMinute,
    Ratio,
    Seconds,
    SecretText,
    Tag,
    TagEntry,
    Tags,
    Text,
    no_nothing,
)
from terway_edge.core.fields import AbsolutePath
from terway_edge.core.secret import Secret

ADDON_SECRET = "/var/alibaba-addon-secret"  # noqa: S105 - a directory with the files access-key-id, access-key-secret
MAX_SECURITY_GROUPS = 10  # of an ENI
BUILT_IN_BLOCKS = (
    Tag("creator", "alibabacloud-erdma-controller"),
    Tag("terway.alibabacloud.com/excluded", "true"),
)
MIN_MTU = 576  # bytes


class Part(BaseModel):
    """Frozen; keys as Terway has them; a key that is null or an empty text counts as absent; others are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, validate_by_alias=True, validate_by_name=False)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_absent(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return no_nothing(value)


class EniConf(Part):
    """`eni_conf`."""

    access_key: SecretText | None = Field(
        None, repr=False, description=f"key id for the cloud's API; the files of {ADDON_SECRET} win, if there are such"
    )
    access_secret: SecretText | None = Field(None, repr=False, description="the secret of access_key")
    credential_path: AbsolutePath | None = Field(
        None, description="file with credentials that ACK renews; read again when it changes"
    )
    region_id: Text | None = Field(None, description="region of the API; absent: that of the instance")
    vswitches: Mapping[str, tuple[Text, ...]] = Field(
        {}, description="vSwitches of new ENIs by zone; none for the node's zone: that of its primary ENI"
    )
    security_group: Text | None = Field(None, description="security group of new ENIs, beside security_groups")
    security_groups: tuple[Text, ...] = Field(
        (), description=f"security groups of new ENIs, at most {MAX_SECURITY_GROUPS}; none: those of the primary ENI"
    )
    eni_tags: Tags = Field({}, description="tags of new ENIs, beside creator=terway-edge and two more")
    eni_tag_filter: Tags = Field({}, description="only attached ENIs with all these tags are used")
    eni_tag_block_list: tuple[TagEntry, ...] = Field(
        (), description="ENIs with one of these tags are neither used nor released"
    )
    resource_group_id: Text | None = Field(None, description="resource group of new ENIs")
    ip_stack: Literal["ipv4", "dual"] = Field(
        "ipv4", description="ipv4, or dual for an IPv6 address beside each IPv4 one"
    )
    max_pool_size: Count = Field(0, description="most idle addresses that a node keeps")
    min_pool_size: Count = Field(0, description="fewest idle addresses that a node keeps")
    ip_warm_up_size: Count | None = Field(None, description="addresses that a node takes once, when its pool begins")
    min_eni: Count = Field(
        0,
        description="ENIs that a node keeps at least, full of addresses as far as max_pool_size lets it; "
        "where set, min_pool_size yields",
    )
    max_eni: Count = Field(0, description="most secondary ENIs of a node; 0: as many as the instance type takes")
    eni_cap_ratio: Ratio = Field(
        1.0, le=1, description="part of the instance type's ENIs that is used, 0..1; 0 counts as 1"
    )
    eni_cap_shift: Number = Field(0, description="ENIs more (or fewer, below 0) than eni_cap_ratio gives")
    vswitch_selection_policy: Literal["random", "ordered", "most"] = Field(
        "random",
        description="order in which vSwitches are tried; ordered and most: that with most free addresses first",
    )
    eni_selection_policy: Literal["most_ips", "least_ips"] = Field(
        "most_ips", description="which ENI an address is taken from: the fullest or the emptiest"
    )
    idle_ip_reclaim_after_seconds: Seconds | None = Field(
        None,
        alias="idle_ip_reclaim_after",
        description="how long a pool must be unchanged before idle addresses above min_pool_size are given back",
    )
    idle_ip_reclaim_interval_seconds: Seconds = Field(
        600.0, alias="idle_ip_reclaim_interval", description="time between two batches of these"
    )
    idle_ip_reclaim_batch_size: Count = Field(5, description="addresses of a batch; 0 counts as 5")
    idle_ip_reclaim_jitter_factor: Fraction = Field(
        0.1, description="part of the interval by which it varies at random, as text"
    )
    ip_pool_sync_period_seconds: Seconds = Field(
        120.0,
        alias="ip_pool_sync_period",
        description="how long addresses above max_pool_size stay before they are given back",
    )
    enable_patch_pod_ips: Flag = Field(True, description="whether pods get the annotation k8s.aliyun.com/pod-ips")
    rate_limit: Mapping[str, PerMinute] = Field(
        {}, description="most calls per minute of a node, by action of the API; the empty name is for all others"
    )
    enable_ip_prefix: Flag = Field(
        False, description="whether ENIs get whole /28 prefixes; for nodes that have no addresses of pods yet"
    )
    ipv4_prefix_count: Count = Field(0, description="prefixes of a node, with enable_ip_prefix")

    @field_validator("eni_cap_ratio")
    @classmethod
    def _whole(cls, value: float) -> float:
        return value or 1.0

    @field_validator("idle_ip_reclaim_batch_size")
    @classmethod
    def _default(cls, value: int) -> int:
        return value or 5

    @field_validator("security_groups")
    @classmethod
    def _few_groups(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        one = info.data.get("security_group")
        if len({*value, one} - {None}) > MAX_SECURITY_GROUPS:
            raise ValueError(f"expected at most {MAX_SECURITY_GROUPS} together with security_group")
        return value

    @property
    def access(self) -> tuple[Secret, Secret] | None:
        """(key id, secret) of `access_key` and `access_secret`."""
        return (self.access_key, self.access_secret) if self.access_key and self.access_secret else None

    @property
    def all_security_groups(self) -> tuple[str, ...]:
        """Each once; none: those of the primary ENI."""
        one = () if self.security_group is None else (self.security_group,)
        return tuple(dict.fromkeys((*one, *self.security_groups)))

    @property
    def blocked_tags(self) -> tuple[Tag, ...]:
        """ENIs with one of them are others' business."""
        return (*BUILT_IN_BLOCKS, *self.eni_tag_block_list)


class CniConf(Part):
    """`10-terway.conf`, or Terway's own plugin in `10-terway.conflist`."""

    bandwidth: Bandwidth = Field(
        True,
        alias="capabilities",
        json_schema_extra={"default": {"bandwidth": True}},
        description="bandwidth: whether pods' bandwidth annotations are enforced; hostPort needs no portMappings here",
    )
    mtu: Mtu = Field(
        None, strict=True, ge=MIN_MTU, le=MAX_MTU, description=f"bytes, {MIN_MTU}..{MAX_MTU}; absent or 0: the uplink's"
    )


class EniConfig(EniConf, CniConf):
    """Terway's whole configuration of a node. Times are seconds, sizes counts."""
