"""The service asked at random: by schemathesis along its document, by a state machine along its contract."""
