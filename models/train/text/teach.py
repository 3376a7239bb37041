"""Fine-tunes a larger encoder, all-mpnet-base-v2, to the sentiment of film reviews: a teacher for train.py.

    python teach.py --data DIR --mpnet FOLDER --seed 1 --output teacher-1.safetensors

FOLDER holds the checkpoint's model.safetensors and tokenizer.json. The lower layers stay as they are, which spares a
third of the time. The weights are the mean of those in the last quarter of the steps.
"""

import argparse
import random
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from data import FILMS, LABELS, load
from mpnet import LAYERS, WIDTH, load_mpnet
from train import accuracies, fit, in_batches, sentiment_losses, training_tokenizer

KEPT = 4  # layers that stay as they are
RATE, HEAD_RATE, LAYER_DECAY = 5e-5, 5e-4, 0.95
BATCH = 32


class Teacher(nn.Module):
    """Logits of LABELS, f32 [batch, 3]."""

    def __init__(self, folder: Path):
        super().__init__()
        self.encoder = load_mpnet(folder / "model.safetensors", KEPT)
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(WIDTH, len(LABELS))

    def forward(self, ids, mask, _token_types):
        return self.classifier(self.dropout(self.encoder(ids, mask)))

    def groups(self) -> list[dict]:
        """Parameters with their learning rate: the lower the layer, the less it moves."""
        self.encoder.requires_grad_(False)
        groups = [{"params": self.classifier.parameters(), "lr": HEAD_RATE}]
        for place, layer in enumerate(self.encoder.encoder["layer"][KEPT:], KEPT):
            rate = RATE * LAYER_DECAY ** (LAYERS - 1 - place)
            groups.append({"params": layer.requires_grad_(True).parameters(), "lr": rate})
        return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--mpnet", type=Path, required=True, help="folder of all-mpnet-base-v2")
    parser.add_argument("--output", type=Path, required=True, help="file to write the weights to")
    parser.add_argument("--steps", type=int, default=436, help="batches to learn from; an epoch has 291")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    chance = random.Random(arguments.seed)
    train, dev = ([each for each in part if each.source in FILMS] for part in load(arguments.data))
    tokenizer = training_tokenizer(arguments.mpnet)
    model = Teacher(arguments.mpnet)

    items = [(tokenizer.encode(each.text).ids, each) for each in train]
    steps: list[dict] = []
    while len(steps) < arguments.steps:
        steps += in_batches(items, BATCH, chance)[: arguments.steps - len(steps)]
    loss = lambda *batch: sentiment_losses(*batch).mean()  # noqa: E731
    fit(model, [steps], loss, model.groups(), lambda: accuracies(model, tokenizer, dev))
    save_file(model.state_dict(), arguments.output)


if __name__ == "__main__":
    main()
