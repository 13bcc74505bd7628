"""People made up from a body model and recorded motion, with the truth about them known exactly."""
