"""Convert HDR (BT.2100) and wide-gamut colours to BT.709, by tables."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8, UInt16
from numpy import ndarray

from motion_imitate.video.wide_colour_numba import look_up_colours

Lights = Float[ndarray, "*N 3"]  # linear; 1 is diffuse white

BT709, BT2020, DISPLAY_P3 = 1, 9, 12  # code points of H.273, as in video and HEIF files
PQ, HLG = 16, 18
HDR_TRANSFERS = (PQ, HLG)
TO_BT709 = {  # linear light
    BT709: np.eye(3),
    BT2020: np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]),
    DISPLAY_P3: np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]]),
}
BT2020_LUMA, BT709_LUMA = np.array([0.2627, 0.6780, 0.0593]), np.array([0.2126, 0.7152, 0.0722])
TABLE_NODES = 49
DISPLAY_GAMMA = 2.4  # of an SDR display, BT.1886
HLG_SYSTEM_GAMMA = 1.2  # of a display of 1000 nits


@dataclass(frozen=True)
class ToneCurve:
    """How HDR light is fitted into standard range."""

    white: float = 203.0  # nits of diffuse white, BT.2408
    peak: float = 1000.0  # nits of the brightest light that differs from white
    knee: float = 0.6  # of diffuse white; darker light is unchanged, brighter is compressed


def convert_to_bt709(picture: UInt16[ndarray, "H W 3"], primaries: int, transfer: int) -> UInt8[ndarray, "H W 3"]:
    """Convert R'G'B' of 16 bits, full range, to 8 bits of BT.709."""
    out = np.empty(picture.shape, np.uint8)
    look_up_colours(picture, TABLE_NODES, colour_table(primaries, transfer), out)
    return out


def needs_colour_table(primaries: int, transfer: int) -> bool:
    """Whether colours with these code points differ from BT.709."""
    return transfer in HDR_TRANSFERS or primaries in (BT2020, DISPLAY_P3)


@lru_cache(maxsize=4)
def colour_table(primaries: int, transfer: int, curve: ToneCurve = ToneCurve()) -> Float[ndarray, "M 3"]:
    """BT.709 colours, 0 to 255, of evenly spaced R'G'B'. HDR without known primaries is BT.2020."""
    levels = np.linspace(0, 1, TABLE_NODES)
    coded = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1)
    hdr = transfer in HDR_TRANSFERS
    light = decode_light(coded, transfer, curve) @ TO_BT709.get(primaries, TO_BT709[BT2020 if hdr else BT709]).T
    shown = desaturate_into_gamut(compress_highlights(light, curve) if hdr else light)
    return np.asarray(255 * shown ** (1 / DISPLAY_GAMMA), np.float32).reshape(-1, 3)


def decode_light(coded: Lights, transfer: int, curve: ToneCurve) -> Lights:
    """Light of a display that shows R'G'B' in [0, 1]."""
    if transfer == PQ:
        root = coded ** (1 / 78.84375)
        nits = 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        return np.asarray(nits / curve.white)
    if transfer == HLG:
        scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        luma = (scene @ BT2020_LUMA)[..., None]
        return np.asarray(1000 / curve.white * scene * luma ** (HLG_SYSTEM_GAMMA - 1))
    return np.asarray(coded**DISPLAY_GAMMA)


def compress_highlights(light: Lights, curve: ToneCurve) -> Lights:
    """Scale colours so that their largest component stays below 1; the hue is kept."""
    top = light.max(-1, keepdims=True).clip(1e-6)
    above, most = ((x - curve.knee) / (1 - curve.knee) for x in (top, curve.peak / curve.white))
    shoulder = curve.knee + (1 - curve.knee) * above * (1 + above / most**2) / (1 + above)
    return np.asarray(light * np.where(above > 0, shoulder / top, 1))


def desaturate_into_gamut(light: Lights) -> Lights:
    """Mix colours that BT.709 lacks with grey of their luminance until no component is negative; clip at 1."""
    luma = (light @ BT709_LUMA)[..., None].clip(0)
    least = light.min(-1, keepdims=True).clip(max=0)
    return np.asarray((luma + (light - luma) * luma / (luma - least).clip(1e-9)).clip(0, 1))
