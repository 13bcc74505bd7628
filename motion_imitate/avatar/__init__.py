"""An avatar from photos: body layers, and how they are drawn."""
