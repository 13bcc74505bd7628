"""Colours of the trunk's and the head's back, which the photo does not show, made from the front's."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.avatar.body_surface import SIDES, PhotoBody
from motion_imitate.avatar.layer_texture import LEAST_DRESSED, fold_coordinates, read_pixels
from motion_imitate.avatar.masks import (
    Mask,
    Plane,
    blur_plane,
    close_mask,
    colour_distance,
    distance_to_edge,
    grow_mask,
    open_mask,
    smoothstep,
    spread_colours,
)
from motion_imitate.avatar.photo_layers import FACE, HAIR, ONE_PIECE, SKIN, TRUNK, UPPER, PhotoLayers
from motion_imitate.background.fill import InpaintSettings, inpaint_photo

LEAST_FACE = 2e-4  # of the squared height; with less face, the photo shows the person's back
LEAST_HAIR = 0.10  # of the head; with less, it is bald
LONG_HAIR = 0.3  # of the head's width that hair covers below the chin, from which on it hangs over the back
NAPE = 0.12  # of the head's height above the chin, to which short hair reaches
COLLAR_REACH = 1.3  # of half the face's width from its middle, up to which clothes are a collar
BAND_SHARE = 0.42  # of half the shoulders' width: the middle of a shirt, with its buttons and prints, is made anew
MOST_BAND, LEAST_BAND = 0.08, 0.02  # of the height
BACK_INPAINTING = InpaintSettings(side=200, guide=0.0)  # its patches are compared in few pixels, and copied in all
PRINT_COLOURS, PRINT_LIGHT = 7, 0.6  # that cloth is sorted by; weight of lightness, which folds change
PRINT_SIDES = 0.6  # share of the cloth that is not near its sides
PRINT_RARE = 0.06  # of the sides, below which a colour is a print's
STRAND_ALIKE = 0.7  # share of another distance of colours
PLAIN_RANGE = 0.2  # of colours around the usual one, which plain cloth has
LEAST_SHIRT = 0.05  # of the chest; with less, it is bare
LEAST_CLOTH, LEAST_SHARE = 300, 0.05  # pixels that must be known, to make more cloth from, and share of all


@dataclass(frozen=True)
class HeadOutline:
    """Where the head is, in pixels."""

    pixels: Mask  # down to a little below the chin
    hair: Mask
    crown: float  # rows
    chin: float
    middle: float  # column of the face
    half: float  # half the face's width

    @property
    def long_hair(self) -> bool:
        """Whether hair hangs below the chin."""
        reach = 0.3 * (self.chin - self.crown)
        y = np.arange(len(self.hair))[:, None]
        below = self.hair & (y > self.chin) & (y < self.chin + reach)
        return bool(below.sum() > LONG_HAIR * 2 * self.half * reach)


def find_head(layers: PhotoLayers) -> HeadOutline | None:
    """The head of the parsed photo, down to a little below the chin; None if its face is not seen."""
    trunk = layers.seen(TRUNK)
    face = trunk & (layers.kind == FACE)
    if face.sum() < LEAST_FACE * layers.unit**2:
        return None
    rows, columns = np.nonzero(face)
    chin = float(np.percentile(rows, 98))
    middle, half = float(columns.mean()), float(np.percentile(columns, 98) - np.percentile(columns, 2)) / 2
    hair = trunk & (layers.kind == HAIR)
    y, x = np.mgrid[: face.shape[0], : face.shape[1]]
    near = (np.abs(x - middle) < 2 * half) & (y < chin)
    crown = float(np.nonzero((trunk & near).any(1))[0][0])
    neck = (y < chin + 0.3 * (chin - crown)) & (layers.kind == SKIN) & (np.abs(x - middle) < 1.2 * half)
    collar = np.nonzero((trunk & cloth_beside_neck(layers, middle, half) & (y > chin)).any(1))[0]
    nape = collar[0] if len(collar) else len(face)  # cloth goes up as high at the back as beside the neck
    return HeadOutline(trunk & (near | neck) & (y < nape), hair, crown, chin, middle, half)


def cloth_beside_neck(layers: PhotoLayers, middle: float, half: float) -> Mask:
    """Clothes next to the neck, at most a little wider than the face."""
    x = np.arange(layers.kind.shape[1])
    cloth = np.isin(layers.kind, (UPPER, ONE_PIECE)) & (layers.alpha > 0.95)
    return open_mask(cloth & (np.abs(x - middle) < COLLAR_REACH * half), 1.0)


def complete_back_cloth(
    front: Plane, alpha: Plane, layers: PhotoLayers, body: PhotoBody, head: HeadOutline, covered: Mask
) -> Plane:
    """Cloth instead of the neckline, of hair that hangs before it, and of what is in the middle of the chest; `covered`
    is more of which the photo shows none."""
    unit = layers.unit
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]].astype(np.float64)
    hips, shoulders = (np.stack([body.joint_pixel(f"{c}_{side}") for side in SIDES]) for c in ("hip", "shoulder"))
    top, low = shoulders[:, 1].mean(), hips[:, 1].mean()
    way = ((y - top) / max(low - top, 1)).clip(-1, 1)
    axis = shoulders[:, 0].mean() + way * (hips[:, 0].mean() - shoulders[:, 0].mean())
    band = np.clip(BAND_SHARE * abs(shoulders[0, 0] - shoulders[1, 0]) / 2, LEAST_BAND * unit, MOST_BAND * unit)
    middle = np.abs(x - axis) < band * (1 - smoothstep(y, low - 0.02 * unit, low + 0.06 * unit))
    page = (alpha > 0.05) & (y < low + 0.06 * unit) & ~head.pixels
    chest = layers.seen(TRUNK) & (y > top) & (y < (top + low) / 2)
    if not chest.any():
        return front
    shirt = max((UPPER, ONE_PIECE), key=lambda kind: int((layers.kind[chest] == kind).sum()))
    if (layers.kind[chest] == shirt).mean() < LEAST_SHIRT:
        shirt = SKIN  # whose back has no navel
    other = {FACE, SKIN} - {shirt}
    bare = (np.isin(layers.kind, [*other]) & (y < (top + low) / 2)) | (layers.kind == HAIR)
    cloth = layers.seen(TRUNK) & (layers.kind == shirt) & (layers.alpha > 0.95)
    end = float(np.percentile(np.nonzero(cloth)[0], 98)) if cloth.any() else 0.0
    singular = find_print(front, cloth & (y > top) & (y < low), np.asarray(np.abs(x - axis), np.float32))
    if (layers.kind[chest] == shirt).mean() > LEAST_DRESSED:
        cloth |= layers.hidden(TRUNK) & (y > head.chin) & (y < end)  # what arms hide goes on in cloth
    singular |= find_strands(front, cloth, head.hair) | covered
    wrong = page & grow_mask(bare & layers.seen(TRUNK) | singular, 0.006 * unit) & (y < end)
    usual = cloth & ~wrong
    if not usual.any():
        return front
    unusual = colour_distance(front, np.median(front[usual], 0)) > PLAIN_RANGE
    for more in (middle, grow_mask(unusual, 0.006 * unit), np.zeros_like(wrong)):
        wanted = wrong | page & more & (y < end)
        good = open_mask(cloth & page & ~wanted, 2.0)
        if good.sum() >= max(LEAST_CLOTH, LEAST_SHARE * page.sum()):
            break
    else:
        return front
    rows, columns = (np.nonzero((wanted | good).any(k))[0] for k in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    smooth = torch.from_numpy(spread_colours(front[box], good[box])).permute(2, 0, 1)
    made = inpaint_photo(smooth, torch.from_numpy(~good[box]), BACK_INPAINTING).permute(1, 2, 0).numpy()
    back = front.copy()
    share = np.maximum(blur_plane(wanted, 0.0015 * unit), 0.5)[box][..., None] * wanted[box][..., None]
    back[box] += (made - back[box]) * share
    return back


def find_print(image: Plane, cloth: Mask, away: Plane) -> Mask:
    """Where the cloth has colours that are hardly found near its sides; `away` is the distance from its middle."""
    none = np.zeros_like(cloth)
    if cloth.sum() < LEAST_CLOTH:
        return none
    lab = np.asarray(cv2.cvtColor(blur_plane(image, 1.0), cv2.COLOR_RGB2LAB)[cloth], np.float32)
    lab[:, 0] *= PRINT_LIGHT
    start = np.argsort(np.argsort(lab[:, 0], kind="stable"), kind="stable") * PRINT_COLOURS // len(lab)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.5)
    first = start.astype(np.int32)[:, None]
    _, label, _ = cv2.kmeans(lab, PRINT_COLOURS, first, stop, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    number = label[:, 0]
    sides = away[cloth] > np.quantile(away[cloth], PRINT_SIDES)
    shares = np.bincount(number[sides], minlength=PRINT_COLOURS) / sides.sum()
    all_of = np.bincount(number, minlength=PRINT_COLOURS) / len(number)
    rare = (shares < PRINT_RARE) & (shares < all_of / 2)
    none[cloth] = rare[number]
    return open_mask(close_mask(none, 2.0), 2.0)


def find_strands(image: Plane, cloth: Mask, hair: Mask) -> Mask:
    """Where what counts as cloth has rather the colour of hair."""
    if not cloth.any() or not hair.any():
        return np.zeros_like(cloth)
    own, other = (np.linalg.norm(image - np.median(image[mask], 0), axis=-1) for mask in (cloth, hair))
    return np.asarray(cloth & (other < STRAND_ALIKE * own))


def complete_back_hair(colours: Plane, front: Plane, alpha: Plane, layers: PhotoLayers, head: HeadOutline) -> Plane:
    """Hair like the front's on the back of the head, and what lies below it: neck, or long hair."""
    unit, tall = layers.unit, head.chin - head.crown
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]].astype(np.float64)
    above = head.pixels & (y < head.chin)
    core = head.hair & (distance_to_edge(head.hair) > max(1.5, 0.004 * unit)) & (layers.alpha > 0.95)
    if (head.hair & above).sum() < LEAST_HAIR * above.sum() or core.sum() < 30:
        return lay_skin(colours, layers, head, head.pixels)
    long_hair = head.long_hair
    end = float(np.percentile(np.nonzero(head.hair)[0], 97)) if long_hair else head.chin - NAPE * tall
    region = head.pixels & (y < end)
    if long_hair:
        width = head.half * (1.35 - 0.35 * smoothstep(y, head.chin, end))
        ragged = end - 0.012 * unit * (1 + np.sin(x / (0.004 * unit)) * np.cos(x / (0.0027 * unit)))
        region |= (alpha > 0.05) & (np.abs(x - head.middle) < width) & (y >= head.chin - 1) & (y < ragged)
    hat = layers.seen(TRUNK) & ~np.isin(layers.kind, (HAIR, FACE, SKIN)) & (y < head.chin)
    region &= ~hat
    laid = read_pixels(front, fold_coordinates(core, region))
    laid += 0.4 * (blur_plane(laid, 0.008 * unit) - laid) * ~core[..., None]
    share = (blur_plane(region, 0.002 * unit) * region)[..., None]
    back = np.asarray(colours + (laid - colours) * share, np.float32)
    return back if long_hair else lay_skin(back, layers, head, np.asarray(head.pixels & (y >= end) & ~head.hair))


def lay_skin(colours: Plane, layers: PhotoLayers, head: HeadOutline, where: NDArray[np.bool_]) -> Plane:
    """Skin without a face: the neck's, or where little of that is seen the face's."""
    y = np.arange(len(colours))[:, None]
    neck = head.pixels & (layers.kind == SKIN) & (y > head.chin)
    known = neck if neck.sum() > 60 else head.pixels & (layers.kind == FACE)
    laid = spread_colours(colours, known)
    laid = blur_plane(laid, 0.02 * layers.unit)
    share = (blur_plane(where, 0.004 * layers.unit) * where)[..., None]
    return np.asarray(colours + (laid - colours) * share, np.float32)
