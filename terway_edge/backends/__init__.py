"""Built-in backends and advertisers. They see the ports of core only, and not one another."""
