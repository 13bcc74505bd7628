"""Metadata that states how a file was made."""

from importlib.metadata import PackageNotFoundError, version

SYNTHETIC_TAGS = {
    "comment": "synthetic: made from a photo and the motion of another video",
    "digital_source_type": "compositeWithTrainedAlgorithmicMedia",
}
STILL_COMMENT = "synthetic: made from a photo"


def avatar_tags(moves: bool) -> dict[str, str]:
    """Metadata that marks an avatar, or one that moves, as synthetic."""
    return SYNTHETIC_TAGS if moves else SYNTHETIC_TAGS | {"comment": STILL_COMMENT}


def provenance_tags() -> dict[str, str]:
    """Video metadata that marks a result as synthetic and names the software."""
    return SYNTHETIC_TAGS | {"software": software_name()}


def still_tags() -> dict[str, str]:
    """The same for a person who stands still."""
    return provenance_tags() | {"comment": STILL_COMMENT}


def software_name() -> str:
    """The program's name, with its version if it is installed."""
    try:
        return f"motion-imitate {version('motion-imitate')}"
    except PackageNotFoundError:
        return "motion-imitate"
