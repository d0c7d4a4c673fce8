"""DDColor's own network, from its repository or an installed package, and the weights that go into it.

Nothing of DDColor is in this project: the classes come from where the user says (or Python finds) them.
"""

import hashlib
import importlib
import importlib.util
import inspect
import pickle
import sys
import types
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from refusal import Refusal

#: Channels of the encoder's first layer → architecture, and what upstream calls the encoder.
ARCHITECTURES = {96: "ddcolor-tiny", 192: "ddcolor-large"}
ENCODERS = {"ddcolor-tiny": "convnext-t", "ddcolor-large": "convnext-l"}
FIRST_LAYER = "encoder.arch.downsample_layers.0.0.weight"
#: A classifier that some editions of the network carry and none uses; constants that every edition sets itself.
NOT_NEEDED = ("encoder.arch.head_cls.", "mean", "std")
#: Standard deviation of a and b that random weights are given, in Lab units.
CHROMA = 15
MODELSCOPE = Path("modelscope/models/cv/image_colorization/ddcolor")

WHERE_TO_GET_IT = (
    "Get DDColor's repository (git clone https://github.com/piddnad/DDColor) and give its folder with --upstream; "
    "or pip install modelscope, whose copy of the network is found by itself. Both need pip install timm."
)


@dataclass(frozen=True)
class Upstream:
    """What was found of DDColor."""

    #: Where, in words.
    origin: str
    network: type[nn.Module]
    #: Its ColorizationPipeline, where the edition has one.
    pipeline: type | None


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a known architecture."""

    architecture: str
    #: File name, or what was drawn.
    source: str
    #: Of the file, hex; absent for random weights.
    sha256: str | None
    weights: dict[str, torch.Tensor]


def find_upstream(folder: Path | None) -> Upstream:
    """DDColor from a folder, else from installed packages."""
    if folder is not None:
        return _from_folder(folder)
    for find in (_installed_ddcolor, _installed_basicsr, _installed_modelscope):
        found = find()
        if found is not None:
            return found
    raise Refusal("DDColor's network is not installed.", WHERE_TO_GET_IT)


def _from_folder(folder: Path) -> Upstream:
    folder = folder.resolve()
    if (folder / "ddcolor/model.py").is_file():
        sys.path.insert(0, str(folder))
        return _from_ddcolor(str(folder))
    if (folder / "basicsr/archs/ddcolor_arch.py").is_file():
        sys.path.insert(0, str(folder))
        return Upstream(str(folder), _import("basicsr.archs.ddcolor_arch").DDColor, None)
    for inner in (folder / MODELSCOPE, folder):
        if (inner / "ddcolor.py").is_file() and (inner / "utils/convnext.py").is_file():
            return _from_modelscope(inner)
    raise Refusal(f"There is no DDColor in {folder}.", WHERE_TO_GET_IT)


def _installed_ddcolor() -> Upstream | None:
    spec = importlib.util.find_spec("ddcolor")
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / "model.py").is_file():
        return None
    return _from_ddcolor("the installed package ddcolor")


def _installed_basicsr() -> Upstream | None:
    spec = importlib.util.find_spec("basicsr")
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / "archs/ddcolor_arch.py").is_file():
        return None  # the plain BasicSR has no DDColor
    return Upstream("the installed package basicsr", _import("basicsr.archs.ddcolor_arch").DDColor, None)


def _installed_modelscope() -> Upstream | None:
    spec = importlib.util.find_spec("modelscope")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parents[1] / MODELSCOPE
    return _from_modelscope(folder) if folder.is_dir() else None


def _from_ddcolor(origin: str) -> Upstream:
    return Upstream(origin, _import("ddcolor.model").DDColor, _import("ddcolor.pipeline").ColorizationPipeline)


def _from_modelscope(folder: Path) -> Upstream:
    # As a package of another name: modelscope's own needs far more than the network does.
    package = types.ModuleType("modelscope_ddcolor")
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    return Upstream(f"modelscope's copy in {folder}", _import("modelscope_ddcolor.ddcolor").DDColor, None)


def _import(name: str) -> types.ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # timm's, about its own names
            return importlib.import_module(name)
    except ImportError as error:
        package = {"cv2": "opencv-python-headless"}.get(str(error.name), error.name)
        raise Refusal(f"DDColor needs {error.name}, which is not there ({error}).", f"pip install {package}") from error


def build(upstream: Upstream, architecture: str) -> nn.Module:
    """The network with the weights it is born with."""
    wanted = {
        "encoder_name": ENCODERS[architecture],
        "decoder_name": "MultiScaleColorDecoder",
        "input_size": [64, 64],  # of a run that only looks at the channels
        "num_output_channels": 2,
        "last_norm": "Spectral",
        "do_normalize": False,
        "num_queries": 100,
        "num_scales": 3,
        "dec_layers": 9,
    }
    known = inspect.signature(upstream.network).parameters
    network = upstream.network(**{name: value for name, value in wanted.items() if name in known})
    return network.eval()


def read_checkpoint(file: Path) -> Checkpoint:
    """Weights from .pth or .pt ("params" inside) or .bin (bare). Nothing in the file is run."""
    if not file.is_file():
        raise Refusal(f"{file} is not there.", "Give the path of a DDColor checkpoint (.pth, .pt, .bin).")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise Refusal(
            f"{file} is not a PyTorch checkpoint, or is damaged.",
            "Compare its size and SHA-256 with the publisher's, and download it again.",
        ) from error
    weights = content.get("params", content) if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise Refusal(f"{file} holds no weights.", "Give an official DDColor checkpoint.")
    weights = {name.removeprefix("module.").removeprefix("model."): value for name, value in weights.items()}
    first = weights.get(FIRST_LAYER)
    architecture = None if first is None else ARCHITECTURES.get(first.shape[0])
    if architecture is None:
        raise Refusal(f"{file} holds another network's weights.", "Give an official DDColor checkpoint.")
    broken = [name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise Refusal(f"{file} has weights that are no numbers ({broken[0]}).", "Download it again.")
    with file.open("rb") as content_bytes:
        sha256 = hashlib.file_digest(content_bytes, "sha256").hexdigest()
    return Checkpoint(architecture, file.name, sha256, weights)


def load_network(upstream: Upstream, checkpoint: Checkpoint) -> nn.Module:
    """The network with a checkpoint's weights, all of them."""
    network = build(upstream, checkpoint.architecture)
    try:
        missing, unexpected = network.load_state_dict(checkpoint.weights, strict=False)
    except RuntimeError as error:
        raise Refusal(f"{checkpoint.source} does not fit DDColor: {error}", "Give an official checkpoint.") from error
    odd = [name for name in [*missing, *unexpected] if not name.startswith(NOT_NEEDED)]
    if odd:
        raise Refusal(
            f"{checkpoint.source} and {upstream.origin} are not of the same edition: {len(odd)} weights differ, "
            f"{odd[0]} for one.",
            "Use DDColor's newest repository with an official checkpoint.",
        )
    return network.eval()


def fold_spectral_norm(network: nn.Module) -> None:
    """Divides weights by their spectral norm once and for all, instead of in every run. Exact."""
    for module in network.modules():
        if hasattr(module, "weight_orig"):
            nn.utils.remove_spectral_norm(module)


def random_checkpoint(upstream: Upstream, architecture: str, seed: int) -> Checkpoint:
    """Weights that nobody trained, of a network that is nevertheless awake: every layer has a say, the answers are
    vivid but believable chroma (±20 or so) and differ from place to place. For tests and for measuring speed.
    """
    torch.manual_seed(seed)
    network = build(upstream, architecture)
    for name, parameter in network.named_parameters():
        if name.endswith(".gamma"):
            nn.init.constant_(parameter, 0.2)  # born as 1e-6: blocks of the encoder would do nothing
    # Norms measure what they see, and spectral norms find their vectors, as training would have it.
    network.train()
    pictures = _blotches(2, 96)
    with torch.no_grad():
        for _ in range(6):
            network(pictures)
        network.eval()
        # The last layer sees the picture beside the queries' maps, which are still a whisper: they are made louder.
        last = network.decoder.color_decoder.color_embed.layers[-1]
        heard = network(pictures)
        last.weight *= 2
        last.bias *= 2
        maps = network(pictures) - heard
        factor = CHROMA / 2 / (maps - maps.mean(dim=(0, 2, 3), keepdim=True)).std()
        last.weight *= factor
        last.bias *= factor
        network.refine_net[0][0].bias -= network(pictures).mean(dim=(0, 2, 3))
    return Checkpoint(architecture, f"random weights, seed {seed}", None, network.state_dict())


def _blotches(count: int, side: int) -> torch.Tensor:
    """Grey pictures with large and small structure."""
    parts = [
        nn.functional.interpolate(torch.rand(count, 1, cells, cells), (side, side), mode="bicubic")
        for cells in (4, 16, 64)
    ]
    return (0.5 * parts[0] + 0.3 * parts[1] + 0.2 * parts[2]).clamp(0, 1).repeat(1, 3, 1, 1)
