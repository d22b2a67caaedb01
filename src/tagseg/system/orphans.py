"""Processes that end with the one that started them."""

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
