"""A limit of the time that a processor works for this process, as far as the operating system has one."""

import math
import time

try:
    import resource
except ImportError:  # Windows has none
    resource = None


def limit_cpu_time(seconds: float) -> bool:
    """Let this process work for so many seconds from now on, then be killed; return whether the system can.

    Unlike a clock's, this time does not run while other processes have the processor. It counts in whole seconds. What
    is killed leaves no copy of its memory on the disk.
    """
    if resource is None:
        return False
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if most < 0 else min(wanted, most), most))
    return True
