"""The page and OpenAPI show the command line's own options."""

from dataclasses import fields

import pytest

from pipelines.web.option_schema import GIVEN_OTHERWISE, TASK_OPTIONS, task_option_schemas
from tests.support.web_app import open_browser


@pytest.mark.parametrize("task", TASK_OPTIONS)
def test_every_option_of_a_task_is_there_with_its_help_and_default(task):
    schemas = task_option_schemas()[task]
    known = {each.name: each for group in TASK_OPTIONS[task] for each in fields(group)}
    assert set(schemas) == set(known) - set(GIVEN_OTHERWISE)
    for name, schema in schemas.items():
        assert len(schema["description"]) > 10, name
        assert schema["default"] == known[name].default


def test_types_choices_and_bounds_are_those_of_the_dataclasses():
    imitate, views = task_option_schemas()["imitate"], task_option_schemas()["novel-view"]
    assert imitate["camera"]["enum"] == ["smooth", "source", "copy"]
    assert (imitate["view"]["minimum"], imitate["view"]["maximum"]) == (-360, 360)
    assert (views["seconds"]["exclusiveMinimum"], views["seconds"]["type"]) == (0, "number")
    assert views["azimuth"] | {"description": ""} == {
        "type": "array",
        "items": {"type": "number"},
        "description": "",
        "default": (),
    }
    assert imitate["person"]["anyOf"][1]["enum"] == ["largest", "left", "right"]
    assert "liquid-warping" not in imitate["renderer"]["enum"]


def test_openapi_documents_the_options(tmp_path):
    with open_browser(tmp_path) as browser:
        document = browser.get("/api/openapi.json").json()
    options = document["components"]["schemas"]["JobRequest"]["properties"]["options"]
    assert options["properties"]["turns"]["maximum"] == 100
    assert "application/octet-stream" in document["paths"]["/api/uploads"]["post"]["requestBody"]["content"]
