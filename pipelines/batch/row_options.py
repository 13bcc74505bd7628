"""Options of the lines of a batch list, which are parsed as on the command line."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from pipelines.dress.options import DressOptions
from pipelines.imitate.options import RenderOptions
from pipelines.motion.options import BaseEstimationOptions
from pipelines.novel_view.options import NovelViewOptions
from pipelines.output_path import UsageError
from pipelines.rendering.clothes_options import NO_CLOTHES, ClothesOptions
from pipelines.rendering.options import VideoOptions

SEVERAL_VALUES = {"azimuth": None, "parts": None, "clothes": ";"}  # what separates the values of these columns


def parse_row_options(
    given: dict[str, Any], drawing: RenderOptions, looking: BaseEstimationOptions, where: str
) -> tuple[RenderOptions, BaseEstimationOptions]:
    """The command's options, overridden by those of a list line, which are parsed as on the command line."""
    wished = row_option_values(given, [*vars(drawing), *vars(looking)], where)
    parser, flat = row_parser(), Parameter(name="*")

    @parser.default
    def options(
        *,
        drawing: Annotated[RenderOptions, flat] = RenderOptions(),
        looking: Annotated[BaseEstimationOptions, flat] = BaseEstimationOptions(),
    ) -> tuple[RenderOptions, BaseEstimationOptions]:
        return drawing, looking

    own = parse_row_words(parser, wished, where)
    drawn, seen = ({name: getattr(one, name) for name in wished if name in vars(one)} for one in own)
    return replace(drawing, **drawn), replace(looking, **seen)


def parse_view_options(
    given: dict[str, Any], drawing: RenderOptions, looking: BaseEstimationOptions, where: str
) -> NovelViewOptions:
    """The options of `novel-view` of a list line; the command's own, where it has them, are the defaults."""
    shared = {field.name: getattr(drawing, field.name) for field in fields(VideoOptions)}
    default = NovelViewOptions(**shared, frame=drawing.frame, workers=1)
    default = default if looking.size is None else replace(default, size=looking.size)
    wished = row_option_values(given, [*vars(default)], where)
    parser = row_parser()

    @parser.default
    def options(*, how: Annotated[NovelViewOptions, Parameter(name="*")] = NovelViewOptions()) -> NovelViewOptions:
        return how

    own = parse_row_words(parser, wished, where)
    return replace(default, **{name: getattr(own, name) for name in wished})


def parse_dress_options(
    given: dict[str, Any], drawing: RenderOptions, looking: BaseEstimationOptions, where: str
) -> tuple[DressOptions, ClothesOptions]:
    """The options of `dress` of a list line; the command's own, where it has them, are the defaults."""
    shared = {
        field.name: getattr(drawing, field.name) for field in fields(DressOptions) if hasattr(drawing, field.name)
    }
    default = DressOptions(**shared)
    default = default if looking.size is None else replace(default, size=looking.size)
    wished = row_option_values(given, [*vars(default), *vars(NO_CLOTHES)], where)
    if "clothes" not in wished:
        raise UsageError(f"{where}: dress needs the photo of the clothes; name it in the column clothes")
    parser, flat = row_parser(), Parameter(name="*")

    @parser.default
    def options(
        *,
        how: Annotated[DressOptions, flat] = DressOptions(),
        wear: Annotated[ClothesOptions, flat] = NO_CLOTHES,
    ) -> tuple[DressOptions, ClothesOptions]:
        return how, wear

    own, wear = parse_row_words(parser, wished, where)
    return replace(default, **{name: getattr(own, name) for name in wished if name in vars(own)}), wear


def row_option_values(given: dict[str, Any], known: Sequence[str], where: str) -> dict[str, Any]:
    """The options of a list line by name. Raises UsageError for one that its task does not have."""
    wished = {k.strip().replace("-", "_"): v for k, v in given.items() if k != "output"}
    if unknown := [name for name in wished if name not in known]:
        raise UsageError(f"{where}: there is no option {unknown[0]!r} for a line; choose from {', '.join(known)}")
    return wished


def row_parser() -> App:
    """A parser of the options of a list line."""
    return App(result_action="return_value", exit_on_error=False, print_error=False)


def parse_row_words(parser: App, wished: dict[str, Any], where: str) -> Any:
    """What the parser makes of the options of a list line."""
    try:
        return parser([word for name, value in wished.items() for word in option_as_arguments(name, value)])
    except CycloptsError as error:
        raise UsageError(f"{where}: {' '.join(str(error).split())}") from None


def option_as_arguments(name: str, value: object) -> list[str]:
    """An option in command-line form; a false flag is omitted."""
    option = f"--{name.replace('_', '-')}"
    if str(value).lower() in ("true", "false"):
        return [option] if str(value).lower() == "true" else []
    several = value if isinstance(value, list) else [value]
    if not isinstance(value, list) and name in SEVERAL_VALUES:
        several = str(value).split(SEVERAL_VALUES[name])
    return [f"{option}={each}" for each in several]
