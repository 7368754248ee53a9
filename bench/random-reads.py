#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Read 4 KiB at random places, one after the other.

Usage: random-reads.py URI COUNT
"""

import random
import sys

import nbd

h = nbd.NBD()
h.connect_uri(sys.argv[1])
rng = random.Random(1)
blocks = h.get_size() // 4096
for _ in range(int(sys.argv[2])):
    h.pread(4096, rng.randrange(blocks) * 4096)
h.shutdown()
