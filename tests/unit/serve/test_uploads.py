from kit.blocked import run_python

SEND = """
import asyncio, sys
from starlette.requests import Request
from tagseg.errors import TagsegError
from tagseg.serve.body import Body
from tagseg.serve.limits import Limits
from tagseg.serve.uploads import read_form

async def receive():
    return {"type": "http.request", "body": BODY, "more_body": False}

request = Request({"type": "http", "method": "POST", "headers": [], "path": "/", "query_string": b""}, receive)
try:
    asyncio.run(read_form(Body(request, Limits()), "multipart/form-data; boundary=x", Limits()))
except TagsegError as error:
    print(error.problem)
"""


def test_a_strange_form_prints_nothing_on_the_terminal_of_the_server() -> None:
    """The parser has a warning for every stray byte; Python prints those that nobody listens to."""
    for body in (b"stray", b"--x\r\nstray\r\n\r\n\r\n--x--\r\nafter", b"--x--\r\n" + b"after" * 9):
        done = run_python(SEND.replace("BODY", repr(body)))
        assert done.stderr == ""
        assert done.stdout.count("\n") == 1
