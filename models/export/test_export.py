"""Export, proof and pipeline, with random weights and without a network.

    DDCOLOR_UPSTREAM=DDColor/ pytest test_export.py
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto

import official
import parity
from onnx_file import halve_weights
from refusal import Refusal
from upstream import find_upstream, load_network, random_checkpoint, read_checkpoint

HERE = Path(__file__).resolve().parent
UPSTREAM = os.environ.get("DDCOLOR_UPSTREAM")
needs_upstream = pytest.mark.skipif(UPSTREAM is None, reason="DDCOLOR_UPSTREAM does not name DDColor's repository")


def export(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "ignore", HERE / "export.py", *arguments]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=HERE.parent)


@pytest.fixture(scope="session")
def photo(tmp_path_factory) -> Path:
    """A colour picture with shades, edges and grain."""
    generator = np.random.default_rng(5)
    y, x = np.mgrid[0:150, 0:220] / 220
    picture = np.stack((x, 0.3 + 0.5 * y, np.where(x > y, 0.8, 0.2)), axis=-1)
    picture += generator.normal(0, 0.05, picture.shape)
    file = tmp_path_factory.mktemp("photo") / "made.png"
    cv2.imwrite(str(file), (picture.clip(0, 1) * 255).astype(np.uint8))
    return file


@pytest.fixture(scope="session")
def exported(tmp_path_factory, photo) -> Path:
    """A folder with the tiny network's files, random weights, and its checkpoint."""
    out = tmp_path_factory.mktemp("exported")
    ended = export(
        *("--random", "tiny", "--seed", 3, "--id", "made", "--upstream", UPSTREAM, "--out", out, "--photo", photo),
        *("--sizes", "64", "96x128", "--keep-checkpoint", out / "made.pth", "--licence", "Apache-2.0"),
    )
    assert ended.returncode == 0, ended.stderr
    return out


def weights_of(model: onnx.ModelProto) -> set[int]:
    return {weight.data_type for weight in model.graph.initializer if np.prod(weight.dims) >= 256}


@needs_upstream
@pytest.mark.parametrize(("name", "stored"), [("made", TensorProto.FLOAT), ("made-fp16", TensorProto.FLOAT16)])
def test_takes_any_shape_in_single_precision(exported: Path, name: str, stored: int):
    model = onnx.load(exported / f"{name}.onnx")
    floats = weights_of(model) - {TensorProto.INT64, TensorProto.INT32}
    assert floats == {stored}
    assert not any("weight_u" in weight.name for weight in model.graph.initializer)
    session = onnxruntime.InferenceSession(str(exported / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    (entry,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (entry.name, entry.type, entry.shape) == ("input", "tensor(float)", ["batch", 3, "height", "width"])
    assert (answer.name, answer.type, answer.shape) == ("output", "tensor(float)", ["batch", 2, "height", "width"])
    for shape in [(1, 3, 32, 32), (3, 3, 64, 96), (1, 3, 160, 32)]:
        found = session.run(None, {"input": np.full(shape, 0.4, np.float32)})[0]
        assert found.shape == (shape[0], 2, *shape[2:]) and np.isfinite(found).all()


@needs_upstream
@pytest.mark.parametrize("name", ["made", "made-fp16"])
def test_says_what_it_is_and_proves_it(exported: Path, name: str):
    file = exported / f"{name}.onnx"
    entry = json.loads((exported / f"{name}.json").read_text())
    assert entry["id"] == name
    assert entry["size"] == file.stat().st_size
    assert entry["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert entry["architecture"] == "ddcolor-tiny"
    assert entry["precision"].startswith("fp16" if name.endswith("fp16") else "fp32")
    assert entry["input"] == {"multiple": 32, "standard": 512}
    proof = json.loads((exported / f"{name}.parity.json").read_text())
    assert [(one["batch"], one["height"], one["width"]) for one in proof["found"]] == [
        (1, 64, 64),
        (1, 96, 128),
        (2, 64, 64),
    ]
    for one in proof["found"]:
        assert 0 <= one["mean"] <= one["max"] <= proof["bounds"]["max"]
        assert one["mean"] <= proof["bounds"]["mean"]
    written = {one.key: one.value for one in onnx.load(file, load_external_data=False).metadata_props}
    assert written["source"] == "random weights, seed 3"
    assert written["licence"] == "Apache-2.0"
    assert written["architecture"] == "ddcolor-tiny"
    assert "source_sha256" in written and "Autochrome" in written["program"]
    assert not [path for path in exported.iterdir() if path.name.startswith(".")]


@needs_upstream
def test_exports_a_checkpoint_file_and_names_its_digest(exported: Path, photo: Path, tmp_path: Path):
    ended = export(
        *(exported / "made.pth", "--upstream", UPSTREAM, "--out", tmp_path, "--photo", photo),
        *("--sizes", "64", "--precision", "fp32", "--id", "again"),
    )
    assert ended.returncode == 0, ended.stderr
    written = {one.key: one.value for one in onnx.load(tmp_path / "again.onnx").metadata_props}
    assert written["source_sha256"] == hashlib.sha256((exported / "made.pth").read_bytes()).hexdigest()
    assert written["licence"] == "not stated"
    seen = {"input": np.random.default_rng(0).random((1, 3, 64, 64), dtype=np.float32)}
    answers = [
        onnxruntime.InferenceSession(str(file)).run(None, seen)[0]
        for file in (tmp_path / "again.onnx", exported / "made.onnx")
    ]
    np.testing.assert_array_equal(*answers)


@needs_upstream
def test_leaves_no_file_that_computes_something_else(exported: Path, photo: Path, tmp_path: Path, monkeypatch):
    import export as command

    network = load_network(find_upstream(Path(UPSTREAM)), read_checkpoint(exported / "made.pth"))
    expected = parity.expected_answers(network, photo, [(64, 64)])
    model = onnx.load(exported / "made.onnx")
    bias = next(
        one for one in model.graph.initializer if list(one.dims) == [2] and one.data_type == TensorProto.FLOAT
    )
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(0.1), bias.name))
    checkpoint = read_checkpoint(exported / "made.pth")
    entry = command.describe(checkpoint, "spoilt", None)
    assert not command.finish(model, "fp32", entry, expected, checkpoint, tmp_path)
    assert list(tmp_path.iterdir()) == []


@needs_upstream
def test_random_weights_are_the_seed_s_and_vivid(exported: Path, photo: Path):
    upstream = find_upstream(Path(UPSTREAM))
    again = random_checkpoint(upstream, "ddcolor-tiny", 3).weights
    kept = read_checkpoint(exported / "made.pth").weights
    assert all(torch.equal(again[name], kept[name]) for name in kept)
    network = load_network(upstream, read_checkpoint(exported / "made.pth"))
    (one, _) = parity.expected_answers(network, photo, [(128, 128)])
    assert 3 < one.answer.std() < 60
    assert np.abs(one.answer).max() < 300


@needs_upstream
def test_our_steps_are_upstream_s(exported: Path, photo: Path):
    """The same network within DDColor's own pipeline class and within ours."""
    upstream = find_upstream(Path(UPSTREAM))
    if upstream.pipeline is None:
        pytest.skip("this edition of DDColor has no pipeline class")
    picture = official.read_photo(photo)
    theirs = official.checkpoint_pipeline(exported / "made.pth", 64, Path(UPSTREAM))
    network = load_network(upstream, read_checkpoint(exported / "made.pth"))

    def run(seen: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(seen)).numpy()

    np.testing.assert_array_equal(
        theirs.process(picture), official.plain_pipeline(run, 64, "ours").process(picture)
    )
    onnx_result = official.onnx_pipeline(exported / "made.onnx", 64).process(picture)
    assert np.abs(onnx_result.astype(int) - theirs.process(picture)).max() <= 1


def test_nearest_is_torch_s():
    generator = np.random.default_rng(1)
    for source in (32, 256, 512, 544):
        for target in [source, 2 * source, 880, *generator.integers(1, 3000, 40)]:
            plane = np.arange(source, dtype=np.float32).reshape(1, 1, source)
            wanted = torch.nn.functional.interpolate(torch.from_numpy(plane)[None], size=(1, int(target)))[0].numpy()
            np.testing.assert_array_equal(official.nearest(plane, 1, int(target)), wanted)


def test_weights_beyond_half_precision_stay_single():
    from onnx import helper, numpy_helper

    large = numpy_helper.from_array(np.full((300,), 1e5, np.float32), "large")
    small = numpy_helper.from_array(np.full((300,), 0.1, np.float32), "small")
    nodes = [helper.make_node("Add", ["large", "small"], ["sum"])]
    value = helper.make_tensor_value_info("sum", TensorProto.FLOAT, [300])
    model = halve_weights(helper.make_model(helper.make_graph(nodes, "g", [], [value], [large, small])))
    assert {one.name: one.data_type for one in model.graph.initializer} == {
        "large": TensorProto.FLOAT,
        "small_half": TensorProto.FLOAT16,
    }


def test_says_what_to_install_without_upstream(tmp_path: Path):
    ended = export("--random", "tiny", "--out", tmp_path, "--upstream", tmp_path)
    assert ended.returncode == 1
    assert "git clone https://github.com/piddnad/DDColor" in ended.stderr and "pip install" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a PyTorch checkpoint"),
        (b"These are only words.", "not a PyTorch checkpoint"),
        ({"params": 3}, "no weights"),
        ({"params": {"conv.weight": torch.zeros(3)}}, "another network"),
        ([1, 2], "no weights"),
    ],
)
def test_refuses_a_wrong_file_in_words(tmp_path: Path, content, words: str):
    file = tmp_path / "wrong.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(Refusal, match=words):
        read_checkpoint(file)


def test_refuses_a_checkpoint_that_would_run_code(tmp_path: Path):
    import pickle

    class Runs:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "was-run"),))

    file = tmp_path / "evil.pth"
    file.write_bytes(pickle.dumps({"params": Runs()}))
    with pytest.raises(Refusal):
        read_checkpoint(file)
    assert not (tmp_path / "was-run").exists()


@needs_upstream
def test_refuses_weights_that_are_incomplete_or_no_numbers(exported: Path, tmp_path: Path):
    weights = read_checkpoint(exported / "made.pth").weights
    file = tmp_path / "broken.pth"
    name = "refine_net.0.0.bias"
    torch.save({key: value for key, value in weights.items() if key != name}, file)
    with pytest.raises(Refusal, match=name):
        load_network(find_upstream(Path(UPSTREAM)), read_checkpoint(file))
    torch.save({**weights, name: torch.full((2,), float("nan"))}, file)
    with pytest.raises(Refusal, match="no numbers"):
        read_checkpoint(file)


def test_refuses_sizes_that_the_network_cannot_see(tmp_path: Path, photo: Path):
    ended = subprocess.run(
        [sys.executable, HERE / "official.py", photo, photo, "--size", "460", "--out", tmp_path],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1 and "multiple of 32" in ended.stderr
