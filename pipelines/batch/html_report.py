"""The report of a batch: one self-contained HTML page."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from motion_imitate.files import write_bytes_atomically

PAGE_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
:root {{ color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif }}
body {{ margin: 2rem auto; max-width: 80rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th {{ text-align: left; position: sticky; top: 0; background: Canvas }}
th, td {{ padding: .4rem .6rem; border-bottom: 1px solid #8884; vertical-align: top }}
th:nth-child(n+4):not(:last-child), td.number {{ text-align: right; font-variant-numeric: tabular-nums }}
img {{ height: 96px; display: block; border-radius: 4px }}
.done {{ color: #1a7f37 }} .failed {{ color: #c62828; font-weight: 600 }} .skipped, .queued {{ color: #9a6700 }}
small {{ opacity: .75; display: block; white-space: pre-line }}
</style></head><body>
<h1>{title}</h1><p>{summary}</p>
<table><thead><tr><th>video</th><th>preview</th><th>state</th><th>frames</th><th>seconds</th><th>frames/s</th>
<th>MiB</th><th>attempts</th><th>machine</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""
ROW_TEMPLATE = """<tr><td>{name}<small>{driving} &larr; {source}</small></td><td>{strip}</td>
<td><span class="{state}">{state}</span><small>{reason}</small><small>{warnings}</small></td>
<td class="number">{frames}</td><td class="number">{seconds}</td><td class="number">{pace}</td>
<td class="number">{peak}</td><td class="number">{attempts}</td><td>{node}</td></tr>"""


def write_html_report(path: Path, rows: Iterable[Any], seconds: float) -> None:
    """Write the page from manifest rows; failed items come first."""
    given = sorted(rows, key=lambda row: row["state"] != "failed")  # failed items come first
    states = Counter(row["state"] for row in given)
    summary = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    made = sum(row["frames"] or 0 for row in given)
    page = PAGE_TEMPLATE.format(
        title=f"{len(given)} videos",
        summary=escape(f"{summary}; {made} frames; the last run took {seconds:.0f} s"),
        rows="\n".join(html_report_row(row) for row in given),
    )
    write_bytes_atomically(path, page.encode())


def html_report_row(row: Any) -> str:
    """The HTML table row of a manifest row."""
    done = row["state"] == "done"
    took = row["frames"] / row["seconds"] if row["frames"] and row["seconds"] else None
    name = escape(row["id"])
    strip = b64encode(row["strip"]).decode() if row["strip"] else ""
    return ROW_TEMPLATE.format(
        name=f'<a href="{quote(row["id"])}">{name}</a>' if done else name,
        driving=escape(row["driving"] or row["task"]),
        source=escape(row["source"].replace(";", ", ")),
        strip=f'<img loading="lazy" alt="" src="data:image/jpeg;base64,{strip}">' if strip else "",
        state=row["state"],
        reason=escape(row["reason"] or ""),
        warnings=escape(row["warnings"] or ""),
        frames=format_html_number(row["frames"]),
        seconds=format_html_number(row["seconds"], 1),
        pace=format_html_number(took, 1),
        peak=format_html_number(row["peak_mib"]),
        attempts=row["attempts"],
        node=escape(row["node"] or ""),
    )


def format_html_number(value: float | None, digits: int = 0) -> str:
    """The number as text; empty for None."""
    return "" if value is None else f"{value:.{digits}f}"
