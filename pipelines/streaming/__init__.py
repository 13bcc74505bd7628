"""Run stages in this process, in threads, or on Ray."""
