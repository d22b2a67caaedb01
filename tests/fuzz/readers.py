"""All readers of the package that take a file, a word or a request from outside."""

from fuzz import artifacts, datasets, masks, pictures, requests, texts
from fuzz.reader import Reader

READERS: dict[str, Reader] = {
    reader.name: reader for room in (pictures, datasets, masks, artifacts, texts, requests) for reader in room.READERS
}
