"""The doctor finds what is well, and what is not."""

import json
import re
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from motion_imitate import weights
from pipelines.cli import doctor
from pipelines.cli.commands import main


def examined(capsys):
    code = main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    return code, found["well"], {check["what"]: check for check in found["checks"]}


def test_all_is_well_where_these_tests_run(capsys):
    code, well, checks = examined(capsys)
    assert (code, well) == (0, True)
    assert set(checks) == set(doctor.INSTALLATION_CHECKS)
    assert "30 frames" in checks["video"]["words"]


def test_a_missing_asset_is_found(capsys, monkeypatch):
    gone = weights.Asset("gone.bin", "", "", "", "0" * 64)
    kept = weights.read_asset_manifest()
    monkeypatch.setattr(weights, "read_asset_manifest", lambda: [*kept, gone])
    code, well, checks = examined(capsys)
    assert (code, well) == (1, False)
    assert "gone.bin" in checks["assets"]["words"]


def test_a_check_that_breaks_is_a_finding(capsys, monkeypatch):
    def broken():
        raise OSError("no room for a trial")

    monkeypatch.setitem(doctor.INSTALLATION_CHECKS, "video", broken)
    code, _, checks = examined(capsys)
    assert code == 1
    assert "no room for a trial" in checks["video"]["words"]


def test_an_optional_package_that_is_missing_is_a_note_with_the_command_that_installs_it(capsys, monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", absent)
    optional = {name: doctor.INSTALLATION_CHECKS[name]() for name, *_ in doctor.OPTIONAL_PACKAGES}
    assert all(good is None and "not installed; for " in words for good, words in optional.values())
    assert "pip install 'motion-imitate[ray]'" in optional["ray"][1]
    needed = {name: doctor.INSTALLATION_CHECKS[name]() for name in doctor.REQUIRED_PACKAGES}
    assert needed["numba"] == (False, "missing; run `pip install numba`")
    monkeypatch.undo()
    monkeypatch.setitem(doctor.INSTALLATION_CHECKS, "ray", lambda: optional["ray"])
    code, well, checks = examined(capsys)
    assert (code, well, checks["ray"]["good"]) == (0, True, None)


def test_the_packages_are_those_of_the_project():
    """Each dependency is checked for, and each extra of the program is offered."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    optional = {name for name, *_ in doctor.OPTIONAL_PACKAGES}
    assert needed - optional <= {*doctor.REQUIRED_PACKAGES, "torch"}
    extras = {f"motion-imitate[{extra}]" for extra in project["optional-dependencies"] if extra != "dev"}
    assert {install for _, install, _ in doctor.OPTIONAL_PACKAGES} - optional == extras
