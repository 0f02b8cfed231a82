"""One line at a time: containers, prefixes, timestamps, numbers, and the record a log format makes of it."""
