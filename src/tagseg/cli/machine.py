"""What a machine refuses, in sentences: room on the disk, open files, memory, names that are too long."""

import errno

from tagseg.errors import lacks_memory

_AGAIN = "then run the same command again: what is finished stays"


def limit_of_machine(error: Exception) -> tuple[str, str] | None:
    """Return the problem and the next move where an error says that something of the machine is used up, else None.

    >>> limit_of_machine(MemoryError())[0]
    'the work must fit into the memory that there is, got more'
    >>> limit_of_machine(ValueError("another error")) is None
    True
    """
    if isinstance(error, OSError):
        if error.errno == errno.ENAMETOOLONG:
            return f"a name of a file or folder has at most 255 bytes, got {error.filename}", "choose a shorter one"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            place = error.filename or "what a stage writes"
            return f"the disk has no room left for {place}", f"free some space, {_AGAIN}"
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return (
                "a process must be allowed to have as many files open as it needs, got too few",
                f"raise the limit, such as by 'ulimit -n 1024', {_AGAIN}",
            )
    if lacks_memory(error):
        return (
            "the work must fit into the memory that there is, got more",
            f"lower batch_size or crop_size_px of this stage, or engine.workers, or end other programs, {_AGAIN}",
        )
    return None
