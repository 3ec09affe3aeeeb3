"""The harness of the system tests: namespaces, peers, gateways, traffic, TAP. Standard library."""
