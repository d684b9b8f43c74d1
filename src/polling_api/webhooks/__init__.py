"""Webhooks, both ways: those that we send, and those that the provider sends us."""
