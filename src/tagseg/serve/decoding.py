"""The process that decodes pictures for the server: ``python -m tagseg.serve.decoding``; see ``decoder``.

A request is a line of JSON with the picture's name, the number of its bytes, the most pixels and the most seconds of a
processor, then the bytes. An answer is a line of JSON: a shape, then the pixels; or what is wrong with the picture. It
ends when its standard input does.
"""

import json
import signal
import sys
from typing import IO, Any

from tagseg.data.images import read_image_bytes
from tagseg.errors import DataError
from tagseg.system.cpu_time import limit_cpu_time


def answer_requests(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the requests end; an empty line first says that this process is ready."""
    answers.write(b"\n")
    answers.flush()
    while line := requests.readline():
        request: dict[str, Any] = json.loads(line)
        data = requests.read(request["bytes"])
        pixels = b""
        limit_cpu_time(request["decode_s"])
        try:
            image = read_image_bytes(data, request["name"], max_pixels=request["max_pixels"])
            found: dict[str, Any] = {"shape": image.shape}
            pixels = image.tobytes()
        except DataError as error:
            found = {"kind": type(error).__name__, "problem": error.problem, "help": error.help}
        answers.write(f"{json.dumps(found)}\n".encode())
        answers.write(pixels)
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which then closes the pipe
    answer_requests(sys.stdin.buffer, sys.stdout.buffer)
