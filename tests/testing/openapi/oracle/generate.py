"""Write vendor_models.json: the names and types of parameters and answer fields that the vendor's newer SDK declares.

    pip install alibabacloud_ecs20140526 alibabacloud_vpc20160428 alibabacloud_ens20171110 alibabacloud_sts20150401
    python tests/testing/openapi/oracle/generate.py SITE_PACKAGES

The packages are read as text and never imported: they bring in a hundred megabytes that no test needs.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("vendor_models.json")
PACKAGES = {
    "2014-05-26": "alibabacloud_ecs20140526",
    "2016-04-28": "alibabacloud_vpc20160428",
    "2017-11-10": "alibabacloud_ens20171110",
    "2015-04-01": "alibabacloud_sts20150401",
}
ACTIONS = {
    "2014-05-26": (
        *("CreateNetworkInterface", "AttachNetworkInterface", "DetachNetworkInterface", "DeleteNetworkInterface"),
        *("DescribeNetworkInterfaces", "DescribeNetworkInterfaceAttribute", "ModifyNetworkInterfaceAttribute"),
        *("AssignPrivateIpAddresses", "UnassignPrivateIpAddresses", "AssignIpv6Addresses", "UnassignIpv6Addresses"),
        *("DescribeInstanceTypes", "DescribeInstances", "DescribeSecurityGroups"),
    ),
    "2016-04-28": (
        *("DescribeVSwitches", "DescribeVpcs", "CreateRouteEntry", "DeleteRouteEntry", "DescribeRouteEntryList"),
    ),
    "2017-11-10": (
        *("CreateNetworkInterface", "AttachNetworkInterface", "DetachNetworkInterface", "DeleteNetworkInterfaces"),
        *("DescribeNetworkInterfaces", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"),
        *("DescribeVSwitches", "DescribeVSwitchAttributes", "DescribeInstances", "DescribeNetworks"),
        *("DescribeEnsRegions", "StartInstance", "StopInstance"),
    ),
    "2015-04-01": ("AssumeRole", "GetCallerIdentity"),
}


class Package:
    """The model classes of one package, by name."""

    def __init__(self, folder: Path) -> None:
        self._classes: dict[str, ast.ClassDef] = {}
        self._sources: dict[str, str] = {}
        for path in sorted((folder / "models").glob("_*.py")):
            source = path.read_text()
            for node in ast.parse(source).body:
                if isinstance(node, ast.ClassDef):
                    self._classes[node.name] = node
                    self._sources[node.name] = source

    def has(self, name: str) -> bool:
        return name in self._classes

    def fields(self, name: str) -> dict[str, Any]:
        """Wire name to `str`, `int`, `bool`..., a nested dict, or a list with one element that is one of these."""
        node = self._classes[name]
        methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
        types = {each.arg: each.annotation for each in methods["__init__"].args.args if each.annotation}
        return {wire: self._type(types[attribute]) for wire, attribute in _wire_names(methods["to_map"]).items()}

    def required(self, name: str) -> list[str]:
        """Wire names of the fields whose comment says that they are required."""
        node, lines = self._classes[name], self._sources[name].splitlines()
        methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
        attributes = {attribute: wire for wire, attribute in _wire_names(methods["to_map"]).items()}
        found, comment = [], ""
        for line in lines[methods["__init__"].lineno - 1 : methods["__init__"].end_lineno]:
            if line.strip().startswith("#"):
                comment += line
            elif line.strip().startswith("self."):
                attribute = line.strip().removeprefix("self.").split(" ")[0]
                found += [attributes[attribute]] if "This parameter is required." in comment else []
                comment = ""
        return sorted(found)

    def _type(self, annotation: ast.expr) -> Any:
        if isinstance(annotation, ast.Subscript):
            inner = annotation.slice
            return [self._type(inner)] if ast.unparse(annotation.value) == "List" else "map"
        name = ast.unparse(annotation)
        return self.fields(name.removeprefix("main_models.")) if name.startswith("main_models.") else name


def _wire_names(to_map: ast.FunctionDef) -> dict[str, str]:
    """Wire name to attribute, from `if self.attribute is not None: result['Wire'] = ...`."""
    names: dict[str, str] = {}
    for node in ast.walk(to_map):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            target = node.targets[0]
            if ast.unparse(target.value) == "result" and isinstance(target.slice, ast.Constant):
                names[target.slice.value] = _attribute(to_map, target.slice.value)
    return names


def _attribute(to_map: ast.FunctionDef, wire: str) -> str:
    """The attribute whose test guards the assignment to a wire name."""
    for node in ast.walk(to_map):
        if isinstance(node, ast.If) and f"result['{wire}']" in ast.unparse(node):
            tested = next(each for each in ast.walk(node.test) if isinstance(each, ast.Attribute))
            return tested.attr
    raise LookupError(wire)


def models(site_packages: Path) -> dict[str, Any]:
    """Version to action to {request, required, json, response}."""
    found = {}
    for version, actions in ACTIONS.items():
        package = Package(site_packages / PACKAGES[version])
        found[version] = {action: _action(package, action) for action in actions}
    return found


def _action(package: Package, action: str) -> dict[str, Any]:
    request, shrunk = f"{action}Request", f"{action}ShrinkRequest"
    takes = package.has(request)
    shrinks = package.fields(shrunk) if package.has(shrunk) else {}
    fields = package.fields(request) if takes else {}
    return {
        "request": fields,
        "required": package.required(request) if takes else [],
        # Lists and objects that travel as one JSON string.
        "json": sorted(name for name, kind in shrinks.items() if kind == "str" and fields[name] != "str"),
        "response": package.fields(f"{action}ResponseBody"),
    }


def rendered(found: dict[str, Any]) -> str:
    """One line for each action, so that a change of the vendor's is a small diff."""
    versions = []
    for version, actions in found.items():
        lines = [f"{json.dumps(name)}: {json.dumps(action, sort_keys=True)}" for name, action in actions.items()]
        versions.append(f"{json.dumps(version)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(versions) + "\n}\n"


if __name__ == "__main__":
    RECORDED.write_text(rendered(models(Path(sys.argv[1]))))
