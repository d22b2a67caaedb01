"""Processes that end with the one that started them, and at once when asked."""

import multiprocessing
import os
import threading
from multiprocessing import connection


def end_with_parent() -> None:
    """End this process when the one that started it is gone, however that ended: it would work on, or wait, unseen.

    Call it in a process that :mod:`multiprocessing` has started; in any other it does nothing.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def end_at_once(code: int) -> None:
    """End this process now, whatever its threads are at work on.

    Python would wait for them, and then take modules and networks apart, which takes seconds where torch is loaded and
    the processor is busy. What it does at its end is left out: what was printed must have been
    flushed.

    Args:
        code: what the process ends with.
    """
    os._exit(code)
