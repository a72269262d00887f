"""What each version of the CNI specification lets a result, an error and an answer to VERSION be (sections 4 and 5 of
1.0.0 and 1.1.0; "Result" of 0.3.0 to 0.4.0), as far as JSON can say it. `problems` is empty for what is right.

A shape is a type with a check, a list of one shape, or an object: its keys end with "?" if they may be absent, and no
others are allowed.
"""

import re
from ipaddress import ip_address, ip_interface, ip_network

from terway_edge.cni.versions import VERSIONS

MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}")


def _accepts(parse):
    def check(text):
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


TEXT = (str, lambda text: True)
NAME = (str, lambda text: 0 < len(text) <= 15)
INDEX = (int, lambda number: number >= 0)
SIZE = (int, lambda number: number > 0)
HARDWARE = (str, MAC.fullmatch)
CIDR = (str, lambda text: "/" in text and _accepts(ip_interface)(text))
PREFIX = (str, lambda text: "/" in text and _accepts(ip_network)(text))
ADDRESS = (str, _accepts(ip_address))

INTERFACE = {"name": NAME, "mac?": HARDWARE, "sandbox?": TEXT}
IP = {"address": CIDR, "gateway?": ADDRESS, "interface?": INDEX}
ROUTE = {"dst": PREFIX, "gw?": ADDRESS}
DNS = {"nameservers?": [ADDRESS], "domain?": TEXT, "search?": [TEXT], "options?": [TEXT]}
SPOKEN = (str, VERSION.fullmatch)
RESULT = {
    "cniVersion": SPOKEN,
    "interfaces?": [INTERFACE],
    "ips?": [IP],
    "routes?": [ROUTE],
    "dns?": DNS,
}
OLD = RESULT | {"ips?": [IP | {"version": (str, ("4", "6").__contains__)}]}
NEWEST = RESULT | {
    "interfaces?": [INTERFACE | {"mtu?": SIZE, "socketPath?": TEXT, "pciID?": TEXT}],
    "routes?": [ROUTE | {"mtu?": SIZE, "advmss?": SIZE, "priority?": INDEX, "table?": INDEX, "scope?": INDEX}],
}
RESULTS = dict.fromkeys(VERSIONS, OLD) | {"1.0.0": RESULT, "1.1.0": NEWEST}
ERROR = {"cniVersion": SPOKEN, "code": SIZE, "msg": TEXT, "details?": TEXT}


def problems(value, shape, where="result"):
    """What is wrong with a decoded value, by place."""
    if isinstance(shape, tuple):
        kind, check = shape
        return [] if type(value) is kind and check(value) else [f"{where}: {value!r}"]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [found for at, each in enumerate(value) for found in problems(each, shape[0], f"{where}[{at}]")]
    if not isinstance(value, dict):
        return [f"{where} is no object"]
    needed = {key for key in shape if not key.endswith("?")}
    known = {key.rstrip("?"): each for key, each in shape.items()}
    found = [f"{where} lacks {key}" for key in sorted(needed - value.keys())]
    found += [f"{where} has {key}" for key in sorted(value.keys() - known.keys())]
    for key in sorted(value.keys() & known.keys()):
        found += problems(value[key], known[key], f"{where}.{key}")
    return found


def result_problems(result, version):
    """What is wrong with the result of an ADD whose configuration said `version`."""
    found = problems(result, RESULTS[version])
    if found:
        return found
    if result["cniVersion"] != version:
        found.append(f"cniVersion {result['cniVersion']}, asked for {version}")
    count = len(result.get("interfaces", ()))
    for ip in result.get("ips", ()):
        address = ip_interface(ip["address"])
        if not 0 <= ip.get("interface", 0) < max(count, 1):
            found.append(f"interface {ip['interface']} of {count}")
        if ip.get("version", str(address.version)) != str(address.version):
            found.append(f"{address} has version {ip['version']}")
        if "gateway" in ip and ip_address(ip["gateway"]).version != address.version:
            found.append(f"{address} has gateway {ip['gateway']}")
    return found
