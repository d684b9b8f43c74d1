"""What an operator does from the command line: clients, keys and master keys."""
