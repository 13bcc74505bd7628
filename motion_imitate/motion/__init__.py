"""Motion processing: smoothing, retargeting, ground contact and motion files."""
