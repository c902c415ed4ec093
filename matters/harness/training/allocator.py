"""How the C library keeps memory: the speed of off-policy training depends on it."""

import numpy as np

MAPPED = 31 * 2**20
"""Just below the largest block, 32 MiB, whose freeing still moves glibc's thresholds."""


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next tensor, instead of handing it back to the system.

    Each off-policy gradient step allocates the same few megabytes anew. Handed back, they cost a page fault
    for every 4 KiB: five hundred per step, a sixth of its time. glibc keeps blocks as large as the largest
    that it has mapped and unmapped before (mallopt(3), M_MMAP_THRESHOLD), so one such block is enough. Other
    C libraries are left as they are.
    """
    np.empty(MAPPED, dtype=np.uint8)
