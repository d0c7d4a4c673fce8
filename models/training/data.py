"""Colour photographs for training: from folders or tars, decoded once and kept in memory as small 8-bit pictures.

Owns: finding, decoding, the hold-out split, drawing of crops. Must never: change a picture's colours.
"""

import io
import tarfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass
class Photo:
    name: str
    source: str  # what the name starts with, e.g. "bsds"
    pixels: np.ndarray  # (H, W, 3) uint8 sRGB


def load_photos(paths: list[str], side: int) -> list[Photo]:
    """Decodes every photo in the given tars and folders to a short side of `side` pixels."""
    with ThreadPoolExecutor(4) as pool:
        photos = list(pool.map(lambda entry: _decode(*entry, side), _read(paths)))
    return [photo for photo in photos if photo is not None]


def hold_out(photos: list[Photo], share: float, most: int) -> tuple[list[Photo], list[Photo]]:
    """Splits into (training, held out). The split depends on names alone, so it is the same in every run. Photos that
    look the same as a held-out one (equal 8×8 average hash within 3 bits) are dropped from the training part."""
    groups: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        groups[photo.source].append(photo)
    held: list[Photo] = []
    for group in groups.values():
        group.sort(key=lambda photo: sha256(photo.name.encode()).digest())
        held += group[: min(most, max(1, round(len(group) * share)))]
    names = {photo.name for photo in held}
    hashes = np.stack([_look(photo.pixels) for photo in held])
    training = [
        photo
        for photo in photos
        if photo.name not in names and (hashes != _look(photo.pixels)).sum(1).min() > 3
    ]
    return training, held


class Sampler:
    """Draws batches of random crops. Rare sources are drawn more often: with weight count^power, power < 1."""

    def __init__(self, photos: list[Photo], seed: int, power: float = 0.6):
        counts: dict[str, int] = defaultdict(int)
        for photo in photos:
            counts[photo.source] += 1
        weights = np.array([counts[photo.source] ** (power - 1) for photo in photos])
        self.photos, self.weights = photos, weights / weights.sum()
        self.random = np.random.default_rng(seed)

    def draw(self, batch: int, size: int) -> torch.Tensor:
        """(batch, 3, size, size) sRGB 0–1: crops of 0.5–1 of the short side, mirrored at random."""
        chosen = self.random.choice(len(self.photos), batch, p=self.weights)
        smallest = min(min(self.photos[index].pixels.shape[:2]) for index in chosen)
        side = int(self.random.uniform(max(0.5 * smallest, min(size * 0.8, smallest)), smallest))
        crops = np.empty((batch, side, side, 3), np.uint8)
        for row, index in enumerate(chosen):
            pixels = self.photos[index].pixels
            top = self.random.integers(pixels.shape[0] - side + 1)
            left = self.random.integers(pixels.shape[1] - side + 1)
            crop = pixels[top : top + side, left : left + side]
            crops[row] = crop[:, ::-1] if self.random.random() < 0.5 else crop
        tensor = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
        return tensor if side == size else F.interpolate(tensor, size, mode="bilinear", antialias=True)


def center_square(photo: Photo, size: int) -> torch.Tensor:
    """The photo squeezed to size × size, as the program does it: (1, 3, size, size) sRGB 0–1."""
    tensor = torch.from_numpy(photo.pixels).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(tensor, (size, size), mode="bilinear", antialias=True).clamp(0, 1)


def _read(paths: list[str]):
    for path in paths:
        if Path(path).is_dir():
            for file in sorted(Path(path).rglob("*")):
                if file.suffix.lower() in EXTENSIONS:
                    yield str(file.relative_to(path)), file.read_bytes()
        else:
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.isfile() and Path(member.name).suffix.lower() in EXTENSIONS:
                        yield member.name, tar.extractfile(member).read()


def _decode(name: str, content: bytes, side: int) -> Photo | None:
    try:
        image = Image.open(io.BytesIO(content)).convert("RGB")
    except OSError as error:
        print(f"skipped {name}: {error}")
        return None
    scale = side / min(image.size)
    if scale < 1:
        image = image.resize([max(side, round(edge * scale)) for edge in image.size], Image.Resampling.BOX)
    stem = Path(name).name
    source = stem.split("_")[0] if "_" in stem else "other"
    return Photo(name, source, np.array(image))


def _look(pixels: np.ndarray) -> np.ndarray:
    """64 bits: which cells of an 8×8 reduction are brighter than their mean."""
    small = np.asarray(Image.fromarray(pixels).convert("L").resize((8, 8), Image.Resampling.BOX), np.float32)
    return (small > small.mean()).ravel()
