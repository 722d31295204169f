"""Counts the secrets of archives without the program that is measured: tar's headers are read one by one."""

import gzip

BLOCK = 512


def how_often(archives, secrets):
    """How many configurations there are, and of how many different secrets of the cheap endpoint."""
    seen, configurations = bytearray(secrets), 0
    for archive in archives:
        for name in names(archive):
            if name.endswith("-config.json"):
                configurations += 1
                seen[int(name.removesuffix("-config.json")[-6:])] = 1
    return configurations, sum(seen)


def names(archive):
    with gzip.open(archive, "rb") as tar:
        while (header := tar.read(BLOCK)).strip(b"\0"):
            size = int(header[124:136].strip(b"\0 "), 8)
            yield header[:100].rstrip(b"\0").decode()
            tar.seek(-(-size // BLOCK) * BLOCK, 1)
