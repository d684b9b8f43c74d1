"""How long those who watch jobs wait, in seconds."""

RETURN_WITHIN = 0.5  # spread: sooner than any browser, so that a fault is met more often
WAIT = 5  # held by the service
