"""Find people in video frames and estimate their pose, body and matte."""
