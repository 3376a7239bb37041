"""Finishes models/text-mpnet: fits its temperature, writes config.json, and prints what models.toml has to say of it.

    python export_mpnet.py --data DIR --archive all-mpnet-base-v2.zip --keep text-mpnet FOLDER

FOLDER, models/adapters/text-mpnet, has the adapter.safetensors that adapt.py wrote. What nodes load is made as
`models/models prepare text-mpnet` makes it, in a folder that --keep names. The data serve to fit the temperature, on the
development sentences.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from undertone_models import hashing, mpnet

from data import LABELS
from export import calibrate, write_classifier

ENCODER = {
    "architectures": ["MPNetForSequenceClassification"],
    "model_type": "mpnet",
    "max_position_embeddings": 514,
    "pad_token_id": 1,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--archive", type=Path, required=True, help="the checkpoint's archive")
    parser.add_argument("--keep", type=Path, required=True, help="folder for the model")
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    adapter, config = arguments.folder / "adapter.safetensors", arguments.folder / "config.json"
    write_classifier(config, ENCODER, LABELS, 1.0)
    made = [arguments.keep / name for name in ("model.onnx", "tokenizer.json", "config.json")]
    model = mpnet.load([arguments.archive], adapter, config)
    for path in [*made, arguments.keep / "model-fp32.onnx"]:
        mpnet.write(path, model)
    write_classifier(config, ENCODER, LABELS, calibrate(arguments.keep, arguments.data, LABELS))
    made[-1].write_bytes(config.read_bytes())
    for path in [adapter, config, *made]:
        print(f"{hashing.sha256(path)}  {path}")


if __name__ == "__main__":
    main()
