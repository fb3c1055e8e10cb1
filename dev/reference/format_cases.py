"""Writes fixtures/formats/cases.json: what ggml makes of blocks and numbers of every tensor format.

    pip install numpy gguf llama-cpp-python
    python dev/reference/format_cases.py

Values come from ggml's C library (`dequantize_row_*`, `ggml_quantize_chunk`), which the wheel of
llama-cpp-python contains; `--ggml PATH` names another `libggml-base.so`. The numpy decoders of the
package `gguf` must agree with it before anything is written.

The fixture holds no inputs: they come from the generator `Stream`, which
crates/kernels/tests/formats.rs has too.
"""

import argparse
import ctypes
import importlib.util
import json
import pathlib

import gguf
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMBERS = 1 << 16
RANDOM_BLOCKS = 512

# Name, number in a GGUF file, numbers per block, bytes per block.
FORMATS = [
    ("F32", 0, 1, 4),
    ("F16", 1, 1, 2),
    ("BF16", 30, 1, 2),
    ("Q4_0", 2, 32, 18),
    ("Q4_1", 3, 32, 20),
    ("Q5_0", 6, 32, 22),
    ("Q5_1", 7, 32, 24),
    ("Q8_0", 8, 32, 34),
    ("Q2_K", 10, 256, 84),
    ("Q3_K", 11, 256, 110),
    ("Q4_K", 12, 256, 144),
    ("Q5_K", 13, 256, 176),
    ("Q6_K", 14, 256, 210),
    ("IQ4_NL", 20, 32, 18),
    ("IQ4_XS", 23, 256, 136),
    ("MXFP4", 39, 32, 17),
]
# Those whose bytes mynah writes exactly as ggml does when there are no importances.
SAME_BYTES = {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"}


class Stream:
    """SplitMix64 (Steele, Lea & Flood 2014)."""

    def __init__(self, seed):
        self.state = np.uint64(seed)

    def take(self, n):
        step = np.uint64(0x9E3779B97F4A7C15)
        z = self.state + step * np.arange(1, n + 1, dtype=np.uint64)
        self.state = z[-1]
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def bell(u):
    """Nearly normal numbers around 0: the sum of four uniform 16-bit integers, made small."""
    total = sum((u >> np.uint64(s)) & np.uint64(0xFFFF) for s in (0, 16, 32, 48))
    return (total.astype(np.int64) - 131070).astype(np.float32) * np.float32(2.0**-20)


def tails(u):
    """Numbers of which one in 2^k is 2^k times as large as most, up to k = 12."""
    size, shape = u[:NUMBERS], u[NUMBERS:]
    k = np.zeros(NUMBERS, dtype=np.int32)
    for bit in range(12):
        k += (size & np.uint64((2 << bit) - 1)) == 0
    return np.ldexp(bell(shape), k - 3).astype(np.float32)


def importance(u):
    part = (u >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return part * part


def fnv(words):
    """FNV-1a over 32-bit words."""
    h = 0xCBF29CE484222325
    for word in words.tolist():
        h = ((h ^ word) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def bits(numbers):
    """The bits of single floats, one NaN standing for all."""
    return np.where(np.isnan(numbers), np.uint32(0x7FC00000), numbers.view(np.uint32))


class Ggml:
    def __init__(self, path):
        self.lib = ctypes.CDLL(str(path))
        self.lib.ggml_version.restype = ctypes.c_char_p
        self.lib.ggml_quantize_chunk.restype = ctypes.c_size_t

    def dequantize(self, name, blocks, n):
        if name == "F32":
            return blocks.view(np.float32).copy()
        out = np.empty(n, dtype=np.float32)
        function = {"F16": "ggml_fp16_to_fp32_row", "BF16": "ggml_bf16_to_fp32_row"}.get(
            name, "dequantize_row_" + name.lower().replace("_k", "_K")
        )
        getattr(self.lib, function)(
            blocks.ctypes.data_as(ctypes.c_void_p),
            out.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int64(n),
        )
        return out

    def quantize(self, number, numbers, size, weights=None):
        out = np.zeros(size, dtype=np.uint8)
        written = self.lib.ggml_quantize_chunk(
            ctypes.c_int(number),
            numbers.ctypes.data_as(ctypes.c_void_p),
            out.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int64(0),
            ctypes.c_int64(1),
            ctypes.c_int64(numbers.size),
            None if weights is None else weights.ctypes.data_as(ctypes.c_void_p),
        )
        assert written == size
        return out


def case(ggml, name, number, block_len, block_bytes):
    sets = {"bell": bell(Stream(1).take(NUMBERS)), "tails": tails(Stream(2).take(2 * NUMBERS))}
    weights = importance(Stream(3).take(NUMBERS))

    random = Stream(1000 + number).take(RANDOM_BLOCKS * block_bytes // 8 + 1).view(np.uint8)
    random = random[: RANDOM_BLOCKS * block_bytes].copy()
    if name == "MXFP4":  # mynah reads this exponent as NaN, as the specification has it
        exponents = random[::block_bytes]
        exponents[exponents == 255] = 254
    values = ggml.dequantize(name, random, RANDOM_BLOCKS * block_len)
    with np.errstate(invalid="ignore", over="ignore"):
        other = gguf.quants.dequantize(random, gguf.GGMLQuantizationType(number)).ravel()
    assert (bits(values) == bits(np.ascontiguousarray(other, dtype=np.float32))).all(), name

    size = NUMBERS // block_len * block_bytes
    result = {"random_values": fnv(bits(values)), "squared_error": {}, "weighted_error": {}}
    for label, numbers in sets.items():
        blocks = ggml.quantize(number, numbers, size)
        error = ggml.dequantize(name, blocks, NUMBERS).astype(np.float64) - numbers
        result["squared_error"][label] = float((error**2).sum())
        if name in SAME_BYTES:
            result.setdefault("bytes", {})[label] = fnv(blocks.view(np.uint8).astype(np.uint32))
        if label == "bell":
            result["block"] = blocks[:block_bytes].tobytes().hex()
            first = ggml.dequantize(name, blocks[:block_bytes].copy(), block_len)
            result["values"] = [f"{word:08x}" for word in bits(first).tolist()]
        blocks = ggml.quantize(number, numbers, size, weights)
        error = ggml.dequantize(name, blocks, NUMBERS).astype(np.float64) - numbers
        result["weighted_error"][label] = float((weights * error**2).sum())
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ggml", type=pathlib.Path, help="libggml-base.so")
    path = parser.parse_args().ggml
    if path is None:
        package = pathlib.Path(importlib.util.find_spec("llama_cpp").origin).parent
        path = next(package.glob("lib/libggml-base.*"))
    ggml = Ggml(path)
    cases = {
        "made_by": f"dev/reference/format_cases.py, ggml {ggml.lib.ggml_version().decode()}",
        "formats": {name: case(ggml, name, *rest) for name, *rest in FORMATS},
    }
    out = ROOT / "fixtures" / "formats" / "cases.json"
    text = json.dumps(cases, separators=(",", ":")).replace('},"', '},\n"')
    out.write_text(text + "\n")
    print(out, out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
