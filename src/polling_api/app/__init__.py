"""Builds everything once; the only place that knows all the parts. Each entry point loads only what it needs."""
