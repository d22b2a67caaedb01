"""How much one server takes on: sizes, numbers, seconds."""

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What requests may ask for.

    Args:
        upload_mb: most megabytes in a request, all its files together, at least 1.
        files: most files in a request.
        pixels: most pixels of an image; larger ones are refused before they are decoded.
        map_values: most pixels times tags of one image, 4 bytes each in several copies.
        views: most scales, each counted twice when mirrored.
        waiting: most requests at a time, read or waiting for the network or in it.
        head_s: seconds for the first lines of a request to arrive.
        read_s: seconds for a request to arrive.
        crowded_s: the same for one whose place another request needs.
        decode_s: seconds of a processor for one file to be decoded.
        alone_s: seconds after which work at one file goes on while the next one's begins.
        beside: most files that are worked at in addition to the one whose turn it is; each may take a gigabyte.
        answer_s: seconds for its answer, waiting included.
    """

    upload_mb: int = 20
    files: int = 16
    pixels: int = 50_000_000
    map_values: int = 250_000_000
    views: int = 12
    waiting: int = 64
    head_s: float = 5.0
    read_s: float = 60.0
    crowded_s: float = 2.0
    decode_s: float = 4.0
    alone_s: float = 1.5
    beside: int = 3
    answer_s: float = 120.0

    @property
    def upload_bytes(self) -> int:
        """Most bytes in a request."""
        return self.upload_mb * MEGABYTE
