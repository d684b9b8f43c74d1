"""What keeps one failure from becoming many: small, pure, of no protocol."""
