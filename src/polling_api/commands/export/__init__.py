"""`polling-api export`: all results of a job into a file, which goes on where it was cut."""
