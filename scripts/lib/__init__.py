"""What scripts share, and tests with them: child processes, namespaces; the parts of lab.py."""
