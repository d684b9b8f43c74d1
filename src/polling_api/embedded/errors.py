class EmbeddedError(Exception):
    """A server cannot be started here; the message says what to do about it."""


class FolderInUse(EmbeddedError):
    """Another process runs on the data folder."""
