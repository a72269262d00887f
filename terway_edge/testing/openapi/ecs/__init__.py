"""ECS, version 2014-05-26: elastic network interfaces, instances, instance types, security groups."""
