"""Processes that end with the one that started them, and at once when they are told to."""

import multiprocessing
import os
import threading
from multiprocessing import connection

_PAUSE_S = 0.2
"""For threads that are about to end."""


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


def end_without_waiting(code: int) -> None:
    """End this process now where threads are still at work, which Python would wait for; else return.

    What was printed must have been flushed.

    Args:
        code: what the process ends with.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    for thread in others:
        thread.join(_PAUSE_S / len(others))
    if any(thread.is_alive() for thread in others):
        os._exit(code)
