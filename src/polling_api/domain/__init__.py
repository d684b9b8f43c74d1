"""Pure rules about jobs: no I/O, no clock of their own."""
