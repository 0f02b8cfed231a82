"""What `lensd report` writes: the course of runs that are over, as one document."""
