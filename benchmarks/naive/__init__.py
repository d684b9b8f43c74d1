"""The service that the audit found, as most would build it."""
