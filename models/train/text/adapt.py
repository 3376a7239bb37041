"""Adapts a larger encoder, all-mpnet-base-v2, to sentiment and emotion: what models/text-mpnet adds to it.

    python adapt.py --data DIR --mpnet FOLDER --output adapter.safetensors

FOLDER holds the checkpoint's model.safetensors and tokenizer.json. All of it stays as it is. Each linear layer of the
upper layers gets the product of two narrow matrices added to its weights (Hu et al. 2021, "LoRA: Low-Rank Adaptation of
Large Language Models"), so that a few megabytes beside the published checkpoint are the whole model. Sentences, spellings
and losses are those of train.py, and so is the mean of the weights in the last quarter of the steps. The file is laid out as
models/undertone_models/mpnet.py reads it.
"""

import argparse
import math
import random
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from data import EMOTIONS, LABELS, load
from mpnet import WIDTH, load_mpnet
from train import accuracies, batches, fit, loss, training_tokenizer

KEPT = 4  # layers without an addition
RANK = 16
RATE, HEAD_RATE = 6e-4, 1e-3
# Of a source, in each epoch: less of what is far from speech.
ADAPTED_SHARE = {"vader-editorials": 0.2, "vader-products": 0.6, "vader-tweets": 0.7}
WHOLE = 2**15 - 1  # the largest number that is written


class Adapted(nn.Module):
    """A linear layer as it is, and beside it `up @ down`, f32 [outputs, RANK] and [RANK, inputs]; 0 at the start."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.linear = linear
        self.down = nn.Parameter(torch.empty(RANK, linear.in_features))
        self.up = nn.Parameter(torch.zeros(linear.out_features, RANK))
        nn.init.kaiming_uniform_(self.down, math.sqrt(5))

    def forward(self, value):
        return self.linear(value) + value @ self.down.T @ self.up.T


class AdaptedClassifier(nn.Module):
    """Logits f32 [batch, labels and emotions] of a dense layer on the mean token state."""

    def __init__(self, folder: Path):
        super().__init__()
        self.encoder = load_mpnet(folder / "model.safetensors", KEPT).requires_grad_(False)
        for layer in self.encoder.encoder["layer"][KEPT:]:
            attention = layer.attention["attn"]
            for name in "qkvo":
                attention[name] = Adapted(attention[name])
            for part in (layer.intermediate, layer.output):
                part["dense"] = Adapted(part["dense"])
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(WIDTH, len(LABELS) + len(EMOTIONS))

    def forward(self, ids, mask, _token_types):
        return self.classifier(self.dropout(self.encoder(ids, mask)))

    def groups(self) -> list[dict]:
        learnt = [weight for weight in self.encoder.parameters() if weight.requires_grad]
        return [{"params": learnt, "lr": RATE}, {"params": list(self.classifier.parameters()), "lr": HEAD_RATE}]

    def learnt(self) -> dict[str, torch.Tensor]:
        """What is not the checkpoint's, by the names of the layers."""
        return {
            name.removeprefix("encoder.encoder."): weight.detach()
            for name, weight in self.named_parameters()
            if weight.requires_grad
        }


def as_whole_numbers(learnt: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Both matrices of a layer in int16, and the power of 2 that their product counts in, so that it is exact; of the last
    layer what gives LABELS.
    """
    written = {name: weight[: len(LABELS)] for name, weight in learnt.items() if name.startswith("classifier.")}
    for layer in sorted({name.rpartition(".")[0] for name in learnt.keys() - written.keys()}):
        exponent = 0
        for name in (f"{layer}.up", f"{layer}.down"):
            finer = math.floor(math.log2(WHOLE / learnt[name].abs().max().item()))
            written[name] = (learnt[name] * 2.0**finer).round().to(torch.int16)
            exponent -= finer
        written[f"{layer}.exponent"] = torch.tensor(exponent, dtype=torch.int16)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--mpnet", type=Path, required=True, help="folder of all-mpnet-base-v2")
    parser.add_argument("--output", type=Path, required=True, help="file to write what was learnt to")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    chance = random.Random(arguments.seed)
    train, dev = load(arguments.data)
    tokenizer = training_tokenizer(arguments.mpnet)
    model = AdaptedClassifier(arguments.mpnet)
    epochs = [batches(train, ADAPTED_SHARE, tokenizer, arguments.batch, chance) for _ in range(arguments.epochs)]
    fit(model, epochs, loss, model.groups(), lambda: accuracies(model, tokenizer, dev))
    save_file(as_whole_numbers(model.learnt()), arguments.output)


if __name__ == "__main__":
    main()
