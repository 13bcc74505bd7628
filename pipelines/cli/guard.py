"""Run a command: exceptions become exit codes, signals stop it cleanly."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIG_IGN, SIGINT, SIGTERM, getsignal, signal
from threading import Event, Timer, current_thread, main_thread
from typing import Any

from motion_imitate.files import remove_unfinished_outputs
from pipelines.errors import INTERRUPTED_MESSAGE, classify_error
from pipelines.reporter import INTERRUPTED, OK, Reporter

STOP_TIMEOUT = 3.0  # seconds to clean up after a signal


def run_guarded(reporter: Reporter, action: Callable[[], Any]) -> int:
    """The action's exit code; an exception is reported in one sentence."""
    told = Event()
    try:
        with handle_termination(reporter, told):
            code = action()
        return code if isinstance(code, int) else OK
    except SystemExit as wish:
        return wish.code if isinstance(wish.code, int) else OK
    except BrokenPipeError:  # the reader of the results closed the pipe
        return discard_stdout()
    except BaseException as error:
        if reporter.debug:
            traceback.print_exc()
        # an interrupted import raises other errors than KeyboardInterrupt
        code, sentence = classify_error(KeyboardInterrupt() if told.is_set() else error)
        reporter.fail(code, " ".join(sentence.split()))
        return code


def discard_stdout() -> int:
    """Redirect stdout to /dev/null after its reader has closed the pipe."""
    sys.stdout = open("/dev/null", "w") if sys.platform != "win32" else sys.stdout  # noqa: SIM115
    return OK


@contextmanager
def handle_termination(reporter: Reporter, told: Event) -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C: unwind and clean up; if that takes longer than STOP_TIMEOUT, exit at once."""
    if current_thread() is not main_thread():
        yield
        return
    late = Timer(STOP_TIMEOUT, exit_process, [reporter])
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


def exit_process(reporter: Reporter) -> None:
    """End the process without waiting for its threads; nothing half-written is left."""
    remove_unfinished_outputs()
    reporter.fail(INTERRUPTED, INTERRUPTED_MESSAGE)
    sys.stderr.flush()
    os._exit(INTERRUPTED)
