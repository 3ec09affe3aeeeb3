"""The harness of the system tests: namespaces, peers, gateways, traffic, TAP. Standard library.

Child processes and networks (process, net) are those of scripts/lib, which scripts for users share.
"""
import os

__path__.append(os.path.join(os.path.dirname(__file__), "..", "..", "..", "scripts", "lib"))
