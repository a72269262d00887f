"""Pure values and decisions: no socket, thread, process or kernel library is imported here.

Time enters as an argument or through the `Clock` port; every effect goes through a port of `core.ports`.
"""
