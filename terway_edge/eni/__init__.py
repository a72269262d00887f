"""The warm pool of a node on ENIs: what the terway and ens_eni backends share.

`pool.EniPool` decides and knows neither threads nor clocks; `keeper.Keeper` carries its decisions out through the cloud
port, the IPAM and one file; `manager.Manager` gives that threads.
"""
