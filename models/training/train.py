"""Trains the network. One command, resumable; see README.md.

    python train.py --data a.tar b.tar folder/ --out run/ --minutes 90            # two CPU cores
    python train.py --data … --out run/ --shape base --size 256 --batch 64 --steps 400000   # a GPU

Writes run/last.pt (to resume from) and run/best.pt (averaged weights, the best on the held-out photos).
"""

import argparse
import json
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

import augment
from color import lightness_to_grey, rgb_to_lab
from encoder_lite import LiteEncoder
from data import Sampler, hold_out, load_photos
from evaluate import measure
from losses import (
    PatchDiscriminator,
    chroma_gap,
    color_bins,
    discriminator_hinge,
    rarity_weights,
    regression,
    BINS,
)
from network import SHAPES, Colorizer


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="folders or tars of colour photographs")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="lite")
    parser.add_argument("--size", type=int, default=128, help="training crops in pixels, a multiple of 32")
    parser.add_argument("--late-size", type=int, default=192, help="crops in the last part, a multiple of 32")
    parser.add_argument("--late", type=float, default=0.22, help="share of the run that is the last part")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--minutes", type=float, default=0, help="length of the run by the clock")
    parser.add_argument("--steps", type=int, default=0, help="length of the run by steps")
    parser.add_argument("--adversarial", type=float, default=0.3, help="weight of the discriminator, late; 0: none")
    parser.add_argument("--chroma", type=float, default=0.1, help="weight of the chroma term")
    parser.add_argument("--cache-side", type=int, default=208, help="short side of the photos kept in memory")
    parser.add_argument("--every", type=float, default=8, help="minutes between evaluations and checkpoints")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args()


@dataclass
class Clock:
    """How far the run is, 0–1, by steps or by time; time spent before a resume counts."""

    minutes: float
    steps: int
    spent: float = 0.0
    step: int = 0
    began: float = 0.0

    def seconds(self) -> float:
        return self.spent + time.monotonic() - self.began

    def progress(self) -> float:
        return min(1.0, self.step / self.steps if self.steps else self.seconds() / (self.minutes * 60))


def rate_at(progress: float, top: float) -> float:
    """2 % warm-up, then half a cosine down to 1 % of the top."""
    if progress < 0.02:
        return top * (0.05 + 0.95 * progress / 0.02)
    return top * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - 0.02) / 0.98)))


def main():
    options = arguments()
    if not options.steps and not options.minutes:
        raise SystemExit("say --minutes or --steps")
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    last = options.out / "last.pt"

    photos = load_photos(options.data, options.cache_side)
    training, held = hold_out(photos, 0.06, 150)
    print(f"{len(training)} photos to train on, {len(held)} held out, on {device}", flush=True)
    sampler = Sampler(training, options.seed)
    generator = torch.Generator().manual_seed(options.seed)

    network = Colorizer(SHAPES[options.shape]).to(device, memory_format=torch.channels_last)
    if isinstance(network.encoder, LiteEncoder) and not last.exists():
        network.encoder.load_published()
        batches = [rgb_to_lab(sampler.draw(options.batch, options.late_size))[:, :1] for _ in range(24)]
        network.encoder.calibrate(lightness_to_grey(augment.age(batch, generator)).to(device) for batch in batches)
    averaged = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    # An encoder that already knows the world is led, not pushed.
    encoder_share = 0.3 if isinstance(network.encoder, LiteEncoder) else 1.0
    known = {id(parameter) for parameter in network.encoder.parameters()}
    groups = [
        {"params": list(network.encoder.parameters()), "share": encoder_share},
        {"params": [parameter for parameter in network.parameters() if id(parameter) not in known], "share": 1.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.99), weight_decay=0.05)
    judge = PatchDiscriminator().to(device)
    judge_optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-4, betas=(0.5, 0.99))
    weights = rarity_weights(count_colors(sampler)).to(device)
    clock = Clock(options.minutes, options.steps)
    best = -math.inf
    if last.exists():
        state = torch.load(last, map_location=device, weights_only=True)
        for part, name in ((network, "network"), (averaged, "averaged"), (optimizer, "optimizer"), (judge, "judge")):
            part.load_state_dict(state[name])
        judge_optimizer.load_state_dict(state["judge_optimizer"])
        generator.set_state(state["generator"].cpu())
        sampler.random.bit_generator.state = json.loads(state["sampler"])
        clock.spent, clock.step, best = state["spent"], state["step"], state["best"]
        print(f"resumed at step {clock.step}, {clock.spent / 60:.1f} minutes", flush=True)
    clock.began = time.monotonic()
    next_check = clock.seconds() + options.every * 60
    cast = torch.autocast(device.type, torch.bfloat16) if _has_bf16(device) else nullcontext()
    print(f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters, {cast}", flush=True)

    while True:
        progress = clock.progress()
        late = progress > 1 - options.late
        size = options.late_size if late else options.size
        batch = max(8, round(options.batch * (options.size / size) ** 2)) if late else options.batch
        rate = rate_at(progress, options.rate)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]

        lab = rgb_to_lab(sampler.draw(batch, size))
        lightness, target = lab[:, :1], lab[:, 1:].to(device)
        grey = lightness_to_grey(augment.age(lightness, generator)).to(device, memory_format=torch.channels_last)
        with cast:
            ab = network(grey)
        loss = regression(ab, target, weights) + options.chroma * chroma_gap(ab, target)
        painted_loss = torch.zeros(())
        if late and options.adversarial:
            clean = lightness.to(device)
            painted_loss = discriminator_hinge(judge(clean, target), judge(clean, ab.detach()))
            judge_optimizer.zero_grad(set_to_none=True)
            painted_loss.backward()
            judge_optimizer.step()
            loss = loss - options.adversarial * judge(clean, ab).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        averaged.update_parameters(network)
        clock.step += 1

        if clock.step % 100 == 0:
            speed = clock.step / clock.seconds()
            print(
                f"step {clock.step} {100 * progress:.1f} % loss {loss.item():.3f} judge {painted_loss.item():.2f} "
                f"rate {rate:.1e} {speed:.2f} steps/s",
                flush=True,
            )
        done = progress >= 1
        if done or clock.seconds() >= next_check:
            next_check = clock.seconds() + options.every * 60
            figures = measure(averaged.module, held[:: 1 if done else 2], 256 if late else 192, device)
            print(f"held out: {json.dumps(figures)}", flush=True)
            if figures["gain_db"] > best or late:
                best = max(best, figures["gain_db"])
                _save(options.out / "best.pt", {"network": averaged.module.state_dict(), "shape": options.shape,
                                                "step": clock.step, "figures": figures})
            _save(last, {
                "network": network.state_dict(), "averaged": averaged.state_dict(), "optimizer": optimizer.state_dict(),
                "judge": judge.state_dict(), "judge_optimizer": judge_optimizer.state_dict(),
                "generator": generator.get_state(), "sampler": json.dumps(sampler.random.bit_generator.state),
                "spent": clock.seconds(), "step": clock.step, "best": best,
            })
        if done:
            return


def count_colors(sampler: Sampler) -> torch.Tensor:
    """How often each colour bin occurs in a few thousand crops."""
    counts = torch.zeros(BINS * BINS)
    for _ in range(60):
        ab = rgb_to_lab(sampler.draw(32, 64))[:, 1:]
        counts += torch.bincount(color_bins(ab).flatten(), minlength=BINS * BINS)
    return counts


def _has_bf16(device: torch.device) -> bool:
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _save(path: Path, state: dict) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


if __name__ == "__main__":
    main()
