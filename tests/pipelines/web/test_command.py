"""`motion-imitate web`: where it listens."""

import socket

import pytest

from pipelines.batch.manifest import open_manifest
from pipelines.cli.commands import main
from pipelines.reporter import USAGE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "add --token"),
        (["--host", "192.168.0.1"], "add --token"),
        (["--token", "short"], "12 or more letters and digits"),
        (["--port", "70000"], "65535"),
        (["--host", "no such host", "--token", "correcthorsebattery"], "cannot listen"),
    ],
)
def test_unsafe_and_impossible_places_are_refused(tmp_path, capsys, words, said):
    assert main(["web", "--work", str(tmp_path), *words]) == USAGE
    assert said in capsys.readouterr().err


def test_a_port_in_use_is_said(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["web", "--work", str(tmp_path), "--port", str(port)]) == USAGE
    assert "(Address already in use); give another --port" in capsys.readouterr().err


def test_a_work_folder_that_is_in_use_or_none_is_said(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["web", "--work", str(tmp_path / "file"), "--port", "0"]) == USAGE
    assert "cannot be created" in capsys.readouterr().err
    with open_manifest(tmp_path / "work"):
        assert main(["web", "--work", str(tmp_path / "work"), "--port", "0"]) == USAGE
    assert "another run (process" in capsys.readouterr().err
