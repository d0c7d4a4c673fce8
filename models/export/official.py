"""DDColor's own pipeline (Python, OpenCV) on an ONNX file or a checkpoint: what parity is tested against.

    python official.py MODEL.onnx PHOTO… --size 512 --out results/
    python official.py ddcolor_paper_tiny.pth PHOTO… --size 512 --upstream DDColor/ --time

An ONNX file needs OpenCV, numpy and onnxruntime only. A checkpoint needs PyTorch and DDColor's package; where that has
its pipeline class, that class itself runs. PHOTO may be a folder. Results are PNG files with the photos' names. With
--time nothing but figures comes out: seconds per photo for each stage, and photos per second.

OpenCV's answers depend on the computer in the last bit: on x86 processors it reduces pictures with Intel's library
(IPP), elsewhere with its own code. As its Lab goes in steps, such a bit shows in a few of a million pixels. --portable
takes OpenCV's own code everywhere; that is what the program's parity mode follows.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from refusal import Refusal

Floats = np.ndarray
Levels = np.ndarray
#: Neutral RGB 0–1, 1 × 3 × S × S → a and b in Lab units, 1 × 2 × S × S.
Network = Callable[[Floats], Floats]

PHOTOS = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp"}


def lightness_and_input(photo: Levels, size: int) -> tuple[Floats, Floats]:
    """L of a photo (BGR, 8 bit) at its own size, and what the network sees of it."""
    image = (photo / 255.0).astype(np.float32)
    lightness = cv2.cvtColor(image, cv2.COLOR_BGR2Lab)[:, :, :1]
    return lightness, network_input(image, size, size)


def network_input(image: Floats, height: int, width: int) -> Floats:
    """1 × 3 × height × width of a photo (BGR, 0–1): squeezed without antialiasing, then only its lightness."""
    small = cv2.resize(image, (width, height))
    grey = np.zeros_like(small)
    grey[:, :, 0] = cv2.cvtColor(small, cv2.COLOR_BGR2Lab)[:, :, 0]
    return np.ascontiguousarray(cv2.cvtColor(grey, cv2.COLOR_LAB2RGB).transpose(2, 0, 1)[None])


def nearest(plane: Floats, height: int, width: int) -> Floats:
    """Chroma (2 × h × w) at another size, as torch's interpolate does it when it is not told how."""
    rows = _nearest_places(plane.shape[1], height)
    columns = _nearest_places(plane.shape[2], width)
    return plane[:, rows[:, None], columns[None, :]]


def _nearest_places(source: int, target: int) -> np.ndarray:
    # Torch reckons in single precision, which decides at the borders of the cells; doubles and no change are exact.
    if target in (source, 2 * source):
        return np.arange(target) * source // target
    scale = np.float32(source) / np.float32(target)
    return np.minimum((np.arange(target, dtype=np.float32) * scale).astype(np.int64), source - 1)


def merged(lightness: Floats, chroma: Floats) -> Levels:
    """The photo (BGR, 8 bit) of L (H × W × 1) and chroma (2 × h × w)."""
    height, width = lightness.shape[:2]
    lab = np.concatenate((lightness, nearest(chroma, height, width).transpose(1, 2, 0)), axis=-1)
    return (cv2.cvtColor(lab, cv2.COLOR_LAB2BGR) * 255.0).round().astype(np.uint8)


@dataclass
class Seconds:
    """Where the time of photos went. `merge` is everything between the decoded photo and the result but the network."""

    decode: float = 0
    network: float = 0
    merge: float = 0
    encode: float = 0

    @property
    def total(self) -> float:
        return self.decode + self.network + self.merge + self.encode


class Pipeline:
    """Photo (BGR, 8 bit) → coloured photo. Counts the network's seconds."""

    def __init__(self, process: Callable[[Levels], Levels], name: str) -> None:
        self.process = process
        self.name = name
        self.network_seconds = 0.0

    def timed(self, network: Callable) -> Callable:
        def run(*arguments):
            start = time.perf_counter()
            result = network(*arguments)
            self.network_seconds += time.perf_counter() - start
            return result

        return run


def plain_pipeline(network: Network, size: int, name: str) -> Pipeline:
    """The steps of DDColor's pipeline around any network."""

    def process(photo: Levels) -> Levels:
        lightness, seen = lightness_and_input(photo, size)
        return merged(lightness, counted(seen)[0])

    pipeline = Pipeline(process, name)
    counted = pipeline.timed(network)
    return pipeline


def onnx_pipeline(file: Path, size: int, threads: int = 0, device: str = "cpu") -> Pipeline:
    import onnxruntime

    wanted = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[device]
    if wanted not in onnxruntime.get_available_providers():
        raise Refusal(f"This onnxruntime has no {wanted}.", "Install onnxruntime-gpu, or leave --device out.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=[wanted])
    except Exception as error:
        raise Refusal(f"{file} is not a model that onnxruntime can load: {error}", "Export it again.") from error
    if session.get_providers()[0] != wanted:
        raise Refusal(f"onnxruntime could not start {wanted}.", "Look at its warnings above.")
    entry = session.get_inputs()[0]
    fixed = [side for side in entry.shape[2:] if isinstance(side, int) and side != size]
    if fixed:
        raise Refusal(f"{file} takes {entry.shape} only.", f"Give --size {fixed[0]}.")
    return plain_pipeline(lambda seen: session.run(None, {entry.name: seen})[0], size, "onnxruntime")


def checkpoint_pipeline(
    file: Path, size: int, folder: Path | None, threads: int = 0, device: str = "cpu"
) -> Pipeline:
    """With DDColor's own pipeline class where its package has one."""
    import torch

    from upstream import find_upstream, load_network, read_checkpoint

    if threads > 0:
        torch.set_num_threads(threads)
    upstream = find_upstream(folder)
    network = load_network(upstream, read_checkpoint(file)).to(device)
    if upstream.pipeline is not None:
        official = upstream.pipeline(network, input_size=size, device=torch.device(device))
        pipeline = Pipeline(official.process, f"{upstream.origin}, its own pipeline, PyTorch")
        # The answer comes back to the CPU inside of what is timed, so that a GPU's work is waited for.
        counted = pipeline.timed(lambda seen: network(seen).cpu())
        official.model = counted
        return pipeline

    def run(seen: Floats) -> Floats:
        with torch.inference_mode():
            return network(torch.from_numpy(seen).to(device)).cpu().numpy()

    return plain_pipeline(run, size, f"{upstream.origin}, PyTorch")


def photos_of(paths: list[Path]) -> list[Path]:
    """Files, and the photos of folders in order. Two results must not get the same name."""
    found = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.iterdir() if file.suffix.lower() in PHOTOS)
        elif path.is_file():
            found.append(path)
        else:
            raise Refusal(f"{path} is not there.", "Give photos, or folders with photos.")
    if not found:
        raise Refusal("There is no photo to colour.", "Give photos, or folders with photos.")
    stems = [file.stem for file in found]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise Refusal(f"Two photos are called {twice}.", "Colour them one after the other into different folders.")
    return found


def read_photo(file: Path) -> Levels:
    photo = cv2.imread(str(file))
    if photo is None:
        raise Refusal(f"OpenCV cannot read {file}.", "Give a photo in another format.")
    return photo


def colour(pipeline: Pipeline, photos: list[Path], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for file in photos:
        target = out / f"{file.stem}.png"
        temporary = target.with_name(f".{target.name}.tmp.png")
        cv2.imwrite(str(temporary), pipeline.process(read_photo(file)))
        temporary.replace(target)
        print(target)


def measure(pipeline: Pipeline, photos: list[Path], suffix: str, repeats: int) -> Seconds:
    """Seconds for all photos, `repeats` times, one after the other as DDColor's scripts do it."""
    pipeline.process(read_photo(photos[0]))  # the first run loads and allocates
    spent = Seconds()
    with tempfile.TemporaryDirectory() as folder:
        for file in photos * repeats:
            marks = [time.perf_counter()]
            photo = read_photo(file)
            marks.append(time.perf_counter())
            pipeline.network_seconds = 0
            result = pipeline.process(photo)
            marks.append(time.perf_counter())
            cv2.imwrite(os.path.join(folder, f"result{suffix}"), result)
            marks.append(time.perf_counter())
            decode, process, encode = np.diff(marks)
            spent.decode += decode
            spent.network += pipeline.network_seconds
            spent.merge += process - pipeline.network_seconds
            spent.encode += encode
    return spent


def report(pipeline: Pipeline, spent: Seconds, count: int, size: int, as_json: bool) -> None:
    each = {stage: seconds / count for stage, seconds in asdict(spent).items()}
    figures = {
        "pipeline": pipeline.name,
        "photos": count,
        "size": size,
        "secondsPerPhoto": each,
        "photosPerSecond": count / spent.total,
    }
    if as_json:
        print(json.dumps(figures))
        return
    print(f"{pipeline.name}, size {size}, {count} photos")
    for stage, seconds in each.items():
        print(f"  {stage:8} {seconds * 1000:8.1f} ms per photo")
    print(f"  {count / spent.total:.3f} photos per second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="an ONNX file, or a checkpoint (.pth, .pt, .bin)")
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--size", type=int, default=512, help="side of the square that the network sees")
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--upstream", type=Path, help="DDColor's repository, for a checkpoint")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="of the network; 0: as many as it likes")
    parser.add_argument("--portable", action="store_true", help="OpenCV's own code instead of Intel's library")
    parser.add_argument("--time", action="store_true", help="figures instead of results")
    parser.add_argument("--repeats", type=int, default=3, help="how often the photos are gone through with --time")
    parser.add_argument("--encode", choices=["png", "jpg"], default="png", help="what --time encodes to")
    parser.add_argument("--json", action="store_true", help="figures as one line of JSON")
    options = parser.parse_args()
    if options.out is None and not options.time:
        parser.error("--out FOLDER or --time is needed")
    if options.size <= 0 or options.size % 32 != 0:
        raise Refusal(f"The network cannot see {options.size} pixels.", "Give --size a multiple of 32.")
    if not options.model.is_file():
        raise Refusal(f"{options.model} is not there.", "Give an ONNX file or a checkpoint.")
    photos = photos_of(options.photos)
    if options.portable:
        cv2.ipp.setUseIPP(False)
    if options.model.suffix.lower() == ".onnx":
        pipeline = onnx_pipeline(options.model, options.size, options.threads, options.device)
    else:
        pipeline = checkpoint_pipeline(
            options.model, options.size, options.upstream, options.threads, options.device
        )
    if options.time:
        spent = measure(pipeline, photos, f".{options.encode}", options.repeats)
        report(pipeline, spent, len(photos) * options.repeats, options.size, options.json)
    else:
        colour(pipeline, photos, options.out)


if __name__ == "__main__":
    try:
        main()
    except Refusal as refusal:
        sys.exit(str(refusal))
