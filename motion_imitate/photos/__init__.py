"""Read photos: file headers, pixels, and the people in them."""
