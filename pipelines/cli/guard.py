"""Talking to whoever called: results to stdout, everything else to stderr; errors become exit codes."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIG_IGN, SIGINT, SIGTERM, getsignal, signal
from threading import Event, Timer, current_thread, main_thread
from typing import Any

from pipelines.errors import STOPPED, verdict
from pipelines.reporter import INTERRUPTED, OK, Talk

PATIENCE = 3.0  # seconds that it may take to stop


def guarded(talk: Talk, action: Callable[[], Any]) -> int:
    """The action's exit code; what goes wrong is said in one sentence."""
    told = Event()
    try:
        with terminable(talk, told):
            code = action()
        return code if isinstance(code, int) else OK
    except SystemExit as wish:
        return wish.code if isinstance(wish.code, int) else OK
    except BrokenPipeError:  # whoever read the results has seen enough
        return unread()
    except BaseException as error:
        if talk.debug:
            traceback.print_exc()
        # what is interrupted while it is imported says something else
        code, sentence = verdict(KeyboardInterrupt() if told.is_set() else error)
        talk.fail(code, " ".join(sentence.split()))
        return code


def unread() -> int:
    """Nobody reads stdout any more: what is left in it goes nowhere."""
    sys.stdout = open("/dev/null", "w") if sys.platform != "win32" else sys.stdout  # noqa: SIM115
    return OK


@contextmanager
def terminable(talk: Talk, told: Event) -> Iterator[None]:
    """Being told to end is like Ctrl-C: whatever was begun is put away. What takes too long about it is left alone."""
    if current_thread() is not main_thread():
        yield
        return
    late = Timer(PATIENCE, leave, [talk])
    late.daemon = True

    def interrupt(*_: object) -> None:
        if not told.is_set():
            told.set()
            late.start()
        raise KeyboardInterrupt

    before = {number: getsignal(number) for number in (SIGINT, SIGTERM)}
    for number, handler in before.items():
        if handler is not SIG_IGN:
            signal(number, interrupt)
    try:
        yield
    finally:
        late.cancel()
        for number, handler in before.items():
            signal(number, handler)


def leave(talk: Talk) -> None:
    """Ends the process, whatever its threads are at, and those of Ray before it, which may be writing for it."""
    if cluster := sys.modules.get("pipelines.streaming.ray_cluster"):
        cluster.kill()
    if files := sys.modules.get("motion_imitate.files"):  # else nothing is being written
        files.abandon()
    talk.fail(INTERRUPTED, STOPPED)
    sys.stderr.flush()
    os._exit(INTERRUPTED)
