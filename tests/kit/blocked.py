"""Python in a process of its own, from which some modules are kept away."""

import subprocess
import sys

_BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names}:
            raise ImportError(f"the test keeps {{name}} away")

for name in [name for name in sys.modules if name.split(".")[0] in {names}]:
    del sys.modules[name]
sys.meta_path.insert(0, Blocked())
"""


def run_python(code: str, *arguments: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run code with words in ``sys.argv[1:]``, in a process that finds none of the modules ``without``.

    Packages in it stand for all that is inside of them.
    """
    program = _BLOCK.format(names=without) + code
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=900)
