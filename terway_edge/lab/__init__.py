"""The lab: a LAN of edge nodes on one box, made of network namespaces, real agents and real shim calls."""
