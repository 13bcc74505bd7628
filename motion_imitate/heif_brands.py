"""Tell a HEIC or AVIF photo from a video: both lie in ISO containers."""

from mmap import mmap

AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"heif", b"mif1", b"msf1"}
BRANDS_REACH = 256  # bytes from the start of a file in which its brands are looked for


def still_image_kind(data: bytes | mmap) -> str | None:
    """HEIC or AVIF, by the brands at the start of a file; None if it is a video or no ISO file."""
    if data[4:8] != b"ftyp":
        return None
    box = data[8 : min(BRANDS_REACH, max(16, int.from_bytes(data[:4])))]
    brands = {box[:4], *(box[at : at + 4] for at in range(8, len(box), 4))}
    return "AVIF" if brands & AVIF_BRANDS else "HEIC" if brands & HEIC_BRANDS else None
