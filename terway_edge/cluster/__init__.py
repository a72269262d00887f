"""Where cluster objects come from: implementations of `core.ports.ClusterSource`."""
