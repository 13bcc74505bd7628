"""Metadata that says how a file was made."""

from importlib.metadata import PackageNotFoundError, version

TAGS = {
    "comment": "synthetic: made from a photo and the motion of another video",
    "digital_source_type": "compositeWithTrainedAlgorithmicMedia",
}


def tags() -> dict[str, str]:
    return TAGS | {"software": maker()}


def maker() -> str:
    try:
        return f"motion-imitate {version('motion-imitate')}"
    except PackageNotFoundError:
        return "motion-imitate"
