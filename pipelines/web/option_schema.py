"""The options of the tasks as JSON schema, read from the dataclasses that the command line reads."""

import ast
import inspect
import re
from dataclasses import MISSING, fields
from functools import lru_cache
from pathlib import Path
from textwrap import dedent
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from cyclopts import Parameter
from cyclopts.validators import Number

from motion_imitate.generators import AUTO_RENDERER, AVATAR_RENDERER, RENDERERS
from motion_imitate.generators.load import shipped_weights
from pipelines.avatar.options import AvatarOptions
from pipelines.batch.item import DRESS, IMITATE, NOVEL_VIEW
from pipelines.dress.options import DressOptions
from pipelines.imitate.options import RenderOptions
from pipelines.motion.options import BaseEstimationOptions
from pipelines.novel_view.options import NovelViewOptions
from pipelines.rendering.clothes_options import ClothesOptions
from pipelines.web.work import AVATAR

TASK_OPTIONS: dict[str, tuple[type, ...]] = {
    IMITATE: (RenderOptions, BaseEstimationOptions, ClothesOptions),
    NOVEL_VIEW: (NovelViewOptions,),
    DRESS: (DressOptions, ClothesOptions),
    AVATAR: (AvatarOptions,),
}
GIVEN_OTHERWISE = (
    "weights",
    "motion",
    "clothes",
    "preview",
    "side_by_side",
    "live",
    "device",
    "encoder",
    "workers",
    "body",
)
JSON_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
NEEDS_WEIGHTS = re.compile(", which needs? --weights")  # said of renderers that have some already
BOUNDS = {"gte": "minimum", "gt": "exclusiveMinimum", "lte": "maximum", "lt": "exclusiveMaximum"}


@lru_cache(maxsize=1)
def task_option_schemas() -> dict[str, dict[str, Any]]:
    """For each task the options that a request may have, by name."""
    return {
        task: {name: schema for group in groups for name, schema in option_schemas(group).items()}
        for task, groups in TASK_OPTIONS.items()
    }


def option_schemas(group: type) -> dict[str, dict[str, Any]]:
    """The options of a dataclass; those that name files, or are not a visitor's to choose, are left out."""
    hints, helps = get_type_hints(group, include_extras=True), attribute_docstrings(group)
    found: dict[str, dict[str, Any]] = {}
    for each in fields(group):
        if each.name in GIVEN_OTHERWISE:
            continue
        schema = type_schema(hints[each.name]) | {"description": helps.get(each.name, "")}
        if each.name == "renderer":
            ready = {name: NEEDS_WEIGHTS.sub("", text) for name, text in RENDERERS.items() if is_ready(name)}
            schema |= {"enum": list(ready), "description": "; ".join(f"{k}: {v}" for k, v in ready.items())}
        if each.default is not MISSING:
            schema["default"] = each.default
        found[each.name] = schema
    return found


def is_ready(renderer: str) -> bool:
    """Whether a renderer works without weights of the user's own."""
    return renderer in (AUTO_RENDERER, AVATAR_RENDERER) or shipped_weights(renderer) is not None


def type_schema(hint: Any) -> dict[str, Any]:
    """The JSON schema of an option's type."""
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
        numbers = [n.validator for n in notes if isinstance(n, Parameter)]
        checks = [one for some in numbers for one in (some if isinstance(some, tuple) else (some,))]
        limits = [(name, getattr(one, name)) for one in checks if isinstance(one, Number) for name in BOUNDS]
        return type_schema(kind) | {BOUNDS[name]: bound for name, bound in limits if bound is not None}
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": list(get_args(hint))}
    if get_origin(hint) in (Union, UnionType):
        several = [type_schema(one) for one in get_args(hint) if one is not NoneType]
        return several[0] if len(several) == 1 else {"anyOf": several}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": type_schema(get_args(hint)[0])}
    assert hint is not Path, "an option that names a file"
    return {"type": JSON_TYPES[hint]}


def attribute_docstrings(group: type) -> dict[str, str]:
    """The docstrings below the fields of a dataclass and of those that it extends."""
    found: dict[str, str] = {}
    for each in reversed(group.__mro__[:-1]):
        [body] = ast.parse(dedent(inspect.getsource(each))).body
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return found
