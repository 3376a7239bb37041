"""Whisper in NumPy as OpenAI's `whisper/model.py` has it, in float64 and without caches; and a small random model."""

import math

import numpy as np

WIDTH, LAYERS, VOCABULARY, AUDIO_CONTEXT, TEXT_CONTEXT = 128, 2, 90, 24, 12
HEADS, MEL_BANDS = WIDTH // 64, 80

Variables = dict[str, np.ndarray]


def random_variables(seed: int = 1) -> Variables:
    """A Whisper of random float16 weights, under CTranslate2's names."""
    random, variables = np.random.default_rng(seed), {}

    def add(path: str, *shape: int, around: float = 0.0) -> None:
        # Sums of a layer's inputs stay near one.
        spread = 1 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.1
        variables[path] = random.normal(around, spread, shape).astype(np.float16)

    def norm(path: str) -> None:
        add(f"{path}/gamma", WIDTH, around=1.0)
        add(f"{path}/beta", WIDTH)

    def linear(path: str, outputs: int, *inputs: int) -> None:
        add(f"{path}/weight", outputs, *inputs)
        add(f"{path}/bias", outputs)

    def feed_forward(path: str) -> None:
        norm(f"{path}/layer_norm")
        linear(f"{path}/linear_0", 4 * WIDTH, WIDTH)
        linear(f"{path}/linear_1", WIDTH, 4 * WIDTH)

    def attention(path: str, *outputs: int) -> None:
        norm(f"{path}/layer_norm")
        for place, size in enumerate(outputs):
            linear(f"{path}/linear_{place}", size, WIDTH)

    linear("encoder/conv1", WIDTH, MEL_BANDS, 3)
    linear("encoder/conv2", WIDTH, WIDTH, 3)
    add("decoder/embeddings/weight", VOCABULARY, WIDTH)
    for part, context in (("encoder", AUDIO_CONTEXT), ("decoder", TEXT_CONTEXT)):
        add(f"{part}/position_encodings/encodings", context, WIDTH)
        for layer in range(LAYERS):
            attention(f"{part}/layer_{layer}/self_attention", 3 * WIDTH, WIDTH)
            feed_forward(f"{part}/layer_{layer}/ffn")
        norm(f"{part}/layer_norm")
    for layer in range(LAYERS):
        attention(f"decoder/layer_{layer}/attention", WIDTH, 2 * WIDTH, WIDTH)
    return variables


def encode(variables: Variables, mel: np.ndarray) -> list[np.ndarray]:
    """The sum behind each layer, and last the normalised states, each [frames, width], of mel [80, 2 * frames]."""
    value = gelu(convolve(variables, "encoder/conv1", mel, 1))
    value = gelu(convolve(variables, "encoder/conv2", value, 2)).T
    value, sums = value + variables["encoder/position_encodings/encodings"][: len(value)], []
    for layer in range(LAYERS):
        value = value + self_attention(variables, f"encoder/layer_{layer}/self_attention", value, masked=False)
        value = value + feed_forward(variables, f"encoder/layer_{layer}/ffn", value)
        sums.append(value)
    return [*sums, layer_norm(variables, "encoder/layer_norm", value)]


def decode(variables: Variables, states: np.ndarray, tokens: list[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Logits [tokens, vocabulary], and each layer's scores of the audio before the softmax [heads, tokens, frames]."""
    embeddings = variables["decoder/embeddings/weight"].astype(np.float64)
    value = embeddings[tokens] + variables["decoder/position_encodings/encodings"][: len(tokens)]
    scores = []
    for layer in range(LAYERS):
        path = f"decoder/layer_{layer}"
        value = value + self_attention(variables, f"{path}/self_attention", value, masked=True)
        added, score = cross_attention(variables, f"{path}/attention", value, states)
        value = value + added
        value = value + feed_forward(variables, f"{path}/ffn", value)
        scores.append(score)
    return layer_norm(variables, "decoder/layer_norm", value) @ embeddings.T, scores


def keys_and_values(variables: Variables, path: str, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of cross-attention, each [heads, frames, 64]."""
    key, value = np.split(linear(variables, f"{path}/linear_1", states), 2, axis=-1)
    return by_head(key), by_head(value)


def self_attention(variables: Variables, path: str, value: np.ndarray, masked: bool) -> np.ndarray:
    normed = layer_norm(variables, f"{path}/layer_norm", value)
    query, key, new = map(by_head, np.split(linear(variables, f"{path}/linear_0", normed), 3, axis=-1))
    later = np.triu(np.full((len(value), len(value)), -np.inf), 1) if masked else 0
    mixed, _ = attend(query, key, new, later)
    return linear(variables, f"{path}/linear_1", mixed)


def cross_attention(
    variables: Variables, path: str, value: np.ndarray, states: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    normed = layer_norm(variables, f"{path}/layer_norm", value)
    query = by_head(linear(variables, f"{path}/linear_0", normed))
    mixed, scores = attend(query, *keys_and_values(variables, path, states), 0)
    return linear(variables, f"{path}/linear_2", mixed), scores


def attend(query: np.ndarray, key: np.ndarray, value: np.ndarray, mask) -> tuple[np.ndarray, np.ndarray]:
    """The mix of the values [rows, width], and the scores [heads, rows, keys]."""
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(64) + mask
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = weights / weights.sum(axis=-1, keepdims=True) @ value
    return mixed.transpose(1, 0, 2).reshape(len(query[0]), -1), scores


def by_head(value: np.ndarray) -> np.ndarray:
    """[rows, width] to [heads, rows, 64]."""
    return value.reshape(len(value), HEADS, 64).transpose(1, 0, 2)


def feed_forward(variables: Variables, path: str, value: np.ndarray) -> np.ndarray:
    normed = layer_norm(variables, f"{path}/layer_norm", value)
    return linear(variables, f"{path}/linear_1", gelu(linear(variables, f"{path}/linear_0", normed)))


def linear(variables: Variables, path: str, value: np.ndarray) -> np.ndarray:
    return value @ variables[f"{path}/weight"].astype(np.float64).T + variables[f"{path}/bias"]


def layer_norm(variables: Variables, path: str, value: np.ndarray) -> np.ndarray:
    centred = value - value.mean(axis=-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return normed * variables[f"{path}/gamma"] + variables[f"{path}/beta"]


def convolve(variables: Variables, path: str, value: np.ndarray, stride: int) -> np.ndarray:
    """Three columns wide, with a column of zeros on either side: [inputs, columns] to [outputs, columns / stride]."""
    weight, padded = variables[f"{path}/weight"].astype(np.float64), np.pad(value, ((0, 0), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=1)[:, ::stride]
    return np.einsum("oik,ick->oc", weight, windows) + variables[f"{path}/bias"][:, None]


def gelu(value: np.ndarray) -> np.ndarray:
    return value / 2 * (1 + np.vectorize(math.erf)(value / math.sqrt(2)))
