"""The command line: it parses and calls, and prints a user's mistake as one sentence."""
