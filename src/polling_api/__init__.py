"""Polling API: the status tier of a generation service."""
