"""The doctor finds what is well, and what is not."""

import json

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


def test_what_can_be_done_without_is_a_note(capsys, monkeypatch):
    monkeypatch.setitem(doctor.INSTALLATION_CHECKS, "numba", doctor.package_check("no-such-package", "all is slower"))
    code, well, checks = examined(capsys)
    assert (code, well, checks["numba"]["good"]) == (0, True, None)
