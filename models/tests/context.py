"""What the tests share: the path to the modules, and small packages and catalogues made on disk."""

import hashlib
import sys
from pathlib import Path

MODELS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(MODELS))

import onnxruntime  # noqa: E402
from undertone_models import catalogue  # noqa: E402


def session(file: bytes) -> onnxruntime.InferenceSession:
    """A graph as the nodes run it: sums of products of bytes are exact on every processor, also on x86-64 without VNNI."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    # Nothing below a fatal error: those that a test asks for would stand among its own lines.
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def install_package(site: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """Lays a package out as pip does, as far as importlib.metadata asks for."""
    information = site / f"{name}-{version}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for path, data in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(data)


def copied_entry(folder: Path, data: bytes, sha256_out: str = "", version: str = "1.0") -> catalogue.Entry:
    """The catalogue entry `tiny`, a copy of payload.bin of the package undertone-test-tiny."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / "models.toml"
    source = f'package = "undertone-test-tiny", version = "{version}", file = "tiny/payload.bin", sha256 = "{sha256}"'
    path.write_text(f"""
        [[model]]
        name = "tiny"
        description = "A file."
        licence = "MIT"
        source = "a test"
        requirements = "models/requirements.txt"
        conversion = "copy"
        inputs = [{{ {source} }}]
        outputs = [{{ file = "model.onnx", sha256 = "{sha256_out or sha256}" }}]
    """)
    return catalogue.read(path)["tiny"]
