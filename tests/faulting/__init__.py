"""The fault suite: what breaks (`faults`), who watches meanwhile (`watchers`), and what came of it (`verdict`)."""
