"""Upstream batch APIs: one protocol, the real OpenAI wire, and a simulator that speaks it."""
