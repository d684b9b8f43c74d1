"""Small worlds of nodes, monitors and readers, in which every order of steps is tried that can make a difference.

What runs is the service's own hub, watch, cache and ledger; Postgres and Redis are modelled in memory behind the seams
that they have, and an event loop over a time of its own chooses what happens next. `docs/decisions/0023-*` tells more.
"""
