"""Fine-tunes a larger encoder, all-mpnet-base-v2, and writes its answers for train.py to learn from.

    python teach.py --data DIR --mpnet FOLDER --output taught.jsonl

Each line of the answers is `{"text": …, "logits": […]}`, the logits of three classes and seven emotions: for the training
sentences of films, dialogue and tweets, and for phrases cut from those of films, which have no label of their own. Only
the upper layers are trained, so that what the lower ones make of each sentence is computed once and kept (0.7 GB).
FOLDER holds the checkpoint's model.safetensors and tokenizer.json.
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer

from data import EMOTIONS, LABELS, Sentence, load, phrases
from mpnet import PADDING, WIDTH, MPNet, load_mpnet
from train import LONGEST, collate, one_step, sentence_loss, warm_up_and_decay

SEED = 7
KEPT = 8  # layers that stay as they are
SOURCES = {"meld", "tweets", "sst2", "vader-movies"}
RATE, HEAD_RATE = 5e-5, 5e-4
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--mpnet", type=Path, required=True, help="folder of all-mpnet-base-v2")
    parser.add_argument("--output", type=Path, required=True, help="file to write the answers to")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(arguments.threads)
    chance = random.Random(SEED)
    tokenizer = Tokenizer.from_file(str(arguments.mpnet / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    model = load_mpnet(arguments.mpnet / "model.safetensors").requires_grad_(False)
    head = torch.nn.Linear(WIDTH, len(LABELS) + len(EMOTIONS))

    train = [sentence for sentence in load(arguments.data)[0] if sentence.source in SOURCES]
    films = [sentence.text for sentence in train if sentence.source in ("sst2", "vader-movies")]
    unlabelled = [Sentence("phrases", text, text) for text in phrases(films, random.Random(SEED))]
    labelled = halfway(model, tokenizer, train, chance)
    fit(model, head, labelled, arguments.epochs, chance)
    with arguments.output.open("w") as file:
        for text, logits in answers(model, head, labelled + halfway(model, tokenizer, unlabelled, chance)).items():
            file.write(json.dumps({"text": text, "logits": [round(logit, 4) for logit in logits]}) + "\n")


def halfway(model: MPNet, tokenizer: Tokenizer, sentences: list[Sentence], chance: random.Random) -> list[dict]:
    """Batches of sentences of the same length, with `texts` and their `states` behind the layers that are kept."""
    items = [(tokenizer.encode(sentence.text).ids, sentence) for sentence in sentences]
    chance.shuffle(items)
    items.sort(key=lambda item: len(item[0]))
    made = []
    for start in range(0, len(items), BATCH):
        batch = collate(items[start : start + BATCH])
        ids = torch.where(batch["mask"] == 1, batch["ids"], PADDING)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            batch["states"] = model.eval().lower(ids, batch["mask"], KEPT).bfloat16()
        batch["texts"] = [sentence.text for _, sentence in items[start : start + BATCH]]
        made.append(batch)
    return made


def fit(model: MPNet, head: torch.nn.Linear, made: list[dict], epochs: int, chance: random.Random) -> None:
    upper = [weight.requires_grad_(True) for layer in model.encoder["layer"][KEPT:] for weight in layer.parameters()]
    groups = [{"params": upper, "lr": RATE}, {"params": head.parameters(), "lr": HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    steps = epochs * len(made)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_up_and_decay(step, steps))
    dropout = torch.nn.Dropout(0.1)
    model.train()
    for epoch in range(1, epochs + 1):
        started, running = time.monotonic(), 0.0
        chance.shuffle(made)
        for done, batch in enumerate(made, 1):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = head(dropout(model.upper(batch["states"], batch["mask"], KEPT)))
            loss = sentence_loss(logits.float(), batch)
            one_step(loss, upper, optimizer, schedule)
            running += (loss.item() - running) / min(done, 100)
            if done % 50 == 0:
                each = (time.monotonic() - started) / done
                print(f"epoch {epoch} batch {done}/{len(made)} loss {running:.3f} {each:.2f} s a batch", flush=True)


def answers(model: MPNet, head: torch.nn.Linear, made: list[dict]) -> dict[str, list[float]]:
    """Logits of each text."""
    model.eval()
    found = {}
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for batch in made:
            logits = head(model.upper(batch["states"], batch["mask"], KEPT)).float()
            found |= dict(zip(batch["texts"], logits.tolist(), strict=True))
    return found


if __name__ == "__main__":
    main()
