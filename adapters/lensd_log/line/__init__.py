"""One line at a time: containers, prefixes, timestamps, numbers, and the types of log formats."""
