"""What the operating system does for a run: whole files, locks, processes, memory."""
