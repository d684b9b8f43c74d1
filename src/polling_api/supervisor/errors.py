class StartError(Exception):
    """The service cannot start; the message says what to do about it."""
