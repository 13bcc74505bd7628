"""How a person of a photo becomes something that can be drawn in any pose."""
