"""Keys derived and kept, HTTP message signatures (RFC 9421), access tokens. No HTTP framework, no SQL."""
