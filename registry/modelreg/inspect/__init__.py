"""Static reading: bytes to facts, in a child process that can do nothing else."""
