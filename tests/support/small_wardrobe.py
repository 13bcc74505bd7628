"""A wardrobe of one made-up garment, in MakeHuman's file formats: a square of cloth before the chest."""

from pathlib import Path

import cv2
import numpy as np

CLOTH = """# a comment
name cloth
obj_file cloth.obj
x_scale 0 1 2.0
material cloth.mhmat
verts 0
0
1
2
0 1 2 0.5 0.25 0.25 1.0 0.5 -0.25
delete_verts
3 5 - 7
9
"""
MESH = """v 0 0 0
v 0 0 0
v 0 0 0
v 0 0 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
f 1/1 2/2 3/3 4/4
"""


def make(home: Path, cloth: str = CLOTH, transparent: bool = False) -> Path:
    """The folder of the garment: its texture is red above and blue below, its left half has no alpha."""
    folder = home / "cloth"
    folder.mkdir(parents=True)
    (folder / "cloth.mhclo").write_text(cloth)
    (folder / "cloth.obj").write_text(MESH)
    (folder / "cloth.mhmat").write_text(
        f"diffuseTexture cloth.png\naomapTexture shade.png\ntransparent {transparent}\n"
    )
    pixels = np.zeros((4, 4, 4), np.uint8)  # blue, green, red, alpha
    pixels[:2, :, 2] = 255
    pixels[2:, :, 0] = 255
    pixels[:, 2:, 3] = 255
    cv2.imwrite(str(folder / "cloth.png"), pixels)
    cv2.imwrite(str(folder / "shade.png"), np.full((4, 4), 51, np.uint8))
    return folder
