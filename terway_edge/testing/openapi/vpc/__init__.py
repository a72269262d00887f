"""VPC, version 2016-04-28: vSwitches, VPCs, route tables."""
