"""What is seen of a batch."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.batch.html_report import write_html_report
from pipelines.batch.item import BatchItem
from pipelines.batch.progress import LiveProgressTable, show_batch_progress
from pipelines.imitate.options import RenderOptions
from pipelines.motion.options import BaseEstimationOptions
from pipelines.reporter import Reporter


def item(name):
    return BatchItem(name, (Path("photo.jpg"),), Path("clip.mp4"), Path(name), RenderOptions(), BaseEstimationOptions())


def row(**values):
    empty = dict.fromkeys(
        "id source driving state attempts kind reason frames seconds peak_mib node warnings strip".split()  # noqa: SIM905
    )
    return empty | {"source": "a.jpg;b.jpg", "driving": "clip.mp4", "attempts": 1} | values


def shown(live):
    text = io.StringIO()
    Console(file=text, width=120).print(live.picture())
    return text.getvalue()


def test_a_table_tells_what_is_done_and_what_goes_on():
    live = LiveProgressTable(4, {"done": 1, "failed": 0, "queued": 3})
    live.start_item(item("one.mp4"))
    live.start_item(item("two.mp4"))
    assert "1 of 4" in shown(live)
    assert "one.mp4" in shown(live)
    live.requeue_item(item("two.mp4"))
    live.finish_item(item("one.mp4"), row(state="failed"))
    text = shown(live)
    assert "2 of 4" in text
    assert "1 done, 1 failed, 2 queued" in text
    assert "videos a minute" in text
    assert "one.mp4" not in text
    assert "two.mp4" not in text


def test_where_there_is_no_terminal_it_is_a_line_for_each(capsys):
    with show_batch_progress(2, {}, Reporter()) as lines:
        lines.start_item(item("one.mp4"))
        lines.finish_item(item("one.mp4"), row(id="one.mp4", state="done", frames=9))
    assert capsys.readouterr().out == '{"id": "one.mp4", "state": "done", "attempts": 1, "frames": 9}\n'
    with show_batch_progress(2, {}, Reporter(quiet=True)) as nothing:
        nothing.finish_item(item("one.mp4"), row(id="one.mp4", state="done"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["<img onerror=alert(1)>.mp4", 'a"b&c.mp4', "über uns.mp4"])
def test_a_report_shows_names_as_they_are(tmp_path, name):
    fine = row(id=name, state="done", frames=90, seconds=9.0, peak_mib=800.0, strip=b"\xff\xd8")
    poor = row(id="poor.mp4", state="failed", kind="input", reason=f"{name} is empty", warnings="one\ntwo")
    write_html_report(tmp_path / "report.html", [fine, poor], 12)
    page = (tmp_path / "report.html").read_text()
    assert "<img onerror" not in page
    assert "1 done, 1 failed" in page
    assert page.count("<tr>") == 3
    assert "10.0" in page  # frames a second
    assert "data:image/jpeg;base64,/9g=" in page
    assert page.index("is empty") < page.index("/9g=")  # what failed comes first
