"""How much one server takes on: sizes, numbers, seconds."""

from dataclasses import dataclass, replace

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
        export_s: the same for an export of masks that are sent, which holds nobody up.
        exports: most exports of masks that are sent, at a time.
        export_images: most masks in an export, and most photographs.
        export_factor: how many times as many megabytes as other requests an export may have.
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
    export_s: float = 240.0
    exports: int = 8
    export_images: int = 256
    export_factor: int = 10

    @property
    def upload_bytes(self) -> int:
        """Most bytes in a request."""
        return self.upload_mb * MEGABYTE

    def of_exports(self) -> "Limits":
        """Return the limits of a request that has all photographs of a page."""
        upload_mb = self.upload_mb * self.export_factor
        return replace(
            self, upload_mb=upload_mb, files=self.export_images, waiting=self.exports, answer_s=self.export_s
        )
