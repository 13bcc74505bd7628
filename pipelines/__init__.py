"""What runs the library: jobs, runners, the command line."""
