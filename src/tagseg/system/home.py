"""The home folder in the place of ``~``, as a shell puts it."""

import os


def with_home(word: str) -> str:
    r"""Return a path with a home folder in the place of ``~`` or ``~user`` at its beginning.

    It stays as it is where there is no such user, or none that could be: whoever opens it says what is wrong.

    >>> with_home("a/~b"), with_home("~no such user/a"), with_home("~a\0b")
    ('a/~b', '~no such user/a', '~a\x00b')
    """
    try:
        return os.path.expanduser(word)  # noqa: PTH111 (Path's raises for a user that is not there)
    except ValueError:
        return word
