"""Writes a DistilBERT-shaped sequence classifier for the text node's tests.

    python tiny_distilbert.py OUTPUT_FOLDER

Its weights are RANDOM (seeded): it proves the contract of such an export (inputs without token types, two labels,
labels from config.json), not accuracy.
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from bert import Classifier, Shape

WORDS = """a am and are at bad but by can day do door for friend good great happy hate have he her how i if in is it
like love me my no not of on one sad see she so terrible that the they this to was we what with yes you your""".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PIECES = ["##ing", "##s", "##ed", "##ly", *".,!?'", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LABELS = ["NEGATIVE", "POSITIVE"]


def tokenizer() -> Tokenizer:
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(SPECIAL + WORDS + PIECES))}
    wordpiece = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    wordpiece.normalizer = normalizers.BertNormalizer(lowercase=True)
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    wordpiece.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    wordpiece.add_special_tokens(SPECIAL)
    return wordpiece


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    wordpiece = tokenizer()
    wordpiece.save(str(folder / "tokenizer.json"))
    words = wordpiece.get_vocab_size()
    shape = Shape(vocabulary=words, width=16, layers=1, heads=2, intermediate=32, positions=64, token_types=0)
    torch.manual_seed(0)
    model = Classifier(shape, len(LABELS)).eval()
    ids = torch.tensor([wordpiece.encode("this is good").ids])
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        model, (ids, torch.ones_like(ids)), str(folder / "model.onnx"), opset_version=17,
        input_names=["input_ids", "attention_mask"], output_names=["logits"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
    )  # fmt: skip
    config = {
        "architectures": ["DistilBertForSequenceClassification"],
        "model_type": "distilbert",
        "dim": shape.width,
        "hidden_dim": shape.intermediate,
        "n_heads": shape.heads,
        "n_layers": shape.layers,
        "max_position_embeddings": shape.positions,
        "vocab_size": shape.vocabulary,
        "id2label": {str(index): label for index, label in enumerate(LABELS)},
        "label2id": {label: index for index, label in enumerate(LABELS)},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
