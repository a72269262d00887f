"""How the product is installed on a cluster: definitions, manifests, chart."""
