"""Writes the mean of the weights of several runs from one checkpoint: python average.py --output FILE WEIGHTS...

After Wortsman et al. 2022, "Model Soups: Averaging Weights of Multiple Fine-Tuned Models Improves Accuracy without
Increasing Inference Time".
"""

import argparse
from pathlib import Path

from safetensors.torch import load_file, save_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+", metavar="WEIGHTS", help="files that train.py or teach.py wrote")
    parser.add_argument("--output", type=Path, required=True, help="file to write the mean to")
    arguments = parser.parse_args()
    mean = load_file(arguments.weights[0])
    for count, path in enumerate(arguments.weights[1:], 2):
        for name, weight in load_file(path).items():
            mean[name] += (weight - mean[name]) / count
    save_file(mean, arguments.output)


if __name__ == "__main__":
    main()
