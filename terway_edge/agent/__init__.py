"""The DaemonSet process: composition root, CNI server, reconcile loop, store, garbage collection, health."""
