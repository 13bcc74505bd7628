"""`motion-imitate batch`: many videos, resumable, on this machine or on Ray."""
