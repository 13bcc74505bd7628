"""What every job that renders a person shares: loading the person, choosing the backdrop, writing the video."""
