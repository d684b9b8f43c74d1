"""What the programs here share: a service of their own on this machine, and clients that cost little."""
