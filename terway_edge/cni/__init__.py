"""What touches the runtime: the shim and its Python twin, the wire format to the agent, the spool, the installer."""
