"""What `lensd run` is made of: the command, its output, the daemon beside it, its event files."""
