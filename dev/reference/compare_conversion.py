"""Compares what `mynah convert` makes of Hugging Face folders with llama.cpp's own converter.

    python compare_conversion.py MYNAH LLAMA_CPP FOLDER ...

needs llama-cpp-python, transformers, torch, numpy and a source tree of llama.cpp (`LLAMA_CPP`).
For each folder

- both convert it, llama.cpp without the vocabulary; tensors must be the same bit for bit, and facts
  too, but for those that only mynah writes (listed) and those of `DELIBERATE`;
- if the folder has `expected.json` with logits (see `make_tiny_models.py`), llama.cpp evaluates
  the file that mynah wrote, with keys and values in single precision, and the largest difference
  is printed; so are differences that are llama.cpp's (`NOT_IN_LLAMA_CPP`).

Exit status 1 if anything else differs.
"""

import json
import logging
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

# Facts of the model card, which mynah does not read.
CARD = ("general.size_label", "general.basename", "general.finetune", "general.version", "general.license",
        "general.organization", "general.tags", "general.languages", "general.author", "general.base_model",
        "general.dataset", "general.name")
# llama.cpp's converter writes four times the width, whatever the configuration says, or sizes of heads that follow
# from the others.
DELIBERATE = ("falcon.feed_forward_length", "phi2.feed_forward_length", "llama.attention.key_length",
              "llama.attention.value_length")
# llama.cpp has no window for these, another scale of attention, or takes the factors for long contexts because its
# cache is never shorter than 256 positions.
NOT_IN_LLAMA_CPP = {"mistral", "phi3", "gemma2", "gemma3-scaled", "phi3-longrope-short"}
LARGEST = 0.02


def read(gguf, path):
    reader = gguf.GGUFReader(path)
    facts = {name: ([kind.name for kind in field.types], field.contents())
             for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    tensors = {t.name: (t.tensor_type.name, t.shape.tolist(), t.data.tobytes()) for t in reader.tensors}
    return facts, tensors


def convert_with_llama_cpp(folder, out):
    """Runs the converter on a copy that has the least that it asks of a tokenizer."""
    import gguf
    from conversion.base import ModelBase, ModelType, get_model_architecture

    config = json.loads((folder / "config.json").read_text())
    with tempfile.TemporaryDirectory() as copy:
        copy = Path(copy)
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        if not (copy / "tokenizer.json").exists():
            vocabulary = {str(i): i for i in range(config.get("vocab_size", 0))}
            model = {"type": "WordPiece", "vocab": vocabulary}
            (copy / "tokenizer.json").write_text(json.dumps({"model": model, "added_tokens": []}))
        hparams = ModelBase.load_hparams(copy, False)
        kind = ModelBase.from_model_architecture(get_model_architecture(hparams, ModelType.TEXT))
        kind.set_vocab = lambda self: None
        is_single = config.get("torch_dtype", "float32") == "float32"
        ftype = gguf.LlamaFileType.ALL_F32 if is_single else gguf.LlamaFileType.GUESSED
        kind(copy, ftype, out).write()


def differences(ours, theirs):
    """Yields what differs, and lists what only mynah says."""
    more = []
    for name in sorted(ours[0] | theirs[0]):
        if name.startswith(CARD + ("tokenizer.",)) or name in DELIBERATE:
            continue
        if name not in theirs[0]:
            more.append(name)
        elif ours[0].get(name) != theirs[0][name]:
            yield f"{name} is {ours[0].get(name)}, llama.cpp has {theirs[0][name]}"
    for name in sorted(ours[1] | theirs[1]):
        if ours[1].get(name) != theirs[1].get(name):
            yield f"tensor {name} differs"
    print(f"  only mynah: {', '.join(more) or 'nothing'}")


def with_vocabulary(gguf, source, target, n):
    """Copies a file and gives it tokens without meaning, which llama.cpp will not load a model without."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            inner = field.types[1] if len(field.types) > 1 else None
            writer.add_key_value(name, field.contents(), field.types[0], inner)
    special = ["<unk>", "<s>", "</s>", "<|endoftext|>"]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(special + [f"<t{i}>" for i in range(n - len(special))])
    writer.add_token_scores([0.0] * n)
    writer.add_token_types([3] * 3 + [1] * (n - 3))
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def logits(path, tokens):
    import llama_cpp

    model = llama_cpp.Llama(str(path), n_ctx=64, logits_all=True, verbose=False, n_threads=1, type_k=0, type_v=0)
    model.eval(tokens)
    return np.array(model.scores[len(tokens) - 1])


def check(gguf, mynah, folder, place):
    """Whether everything is as it must be."""
    good = True
    ours = place / f"{folder.name}.gguf"
    subprocess.run([mynah, "--quiet", "convert", folder, ours], check=True)
    try:
        theirs = place / f"{folder.name}-llama.cpp.gguf"
        convert_with_llama_cpp(folder, theirs)
        for difference in differences(read(gguf, ours), read(gguf, theirs)):
            print(f"  {difference}")
            good = False
    except (KeyError, RuntimeError, ValueError) as error:
        print(f"  llama.cpp does not convert it: {str(error)[:120]}")
    expected = folder / "expected.json"
    expected = json.loads(expected.read_text()) if expected.exists() else {}
    if "logits_last" in expected:
        full = place / f"{folder.name}-vocabulary.gguf"
        with_vocabulary(gguf, ours, full, json.loads((folder / "config.json").read_text())["vocab_size"])
        distance = np.abs(logits(full, expected["input_ids"]) - np.array(expected["logits_last"])).max()
        # Half-precision weights are multiplied with activations rounded to the same precision.
        largest = 0.2 if folder.name.endswith("f16") else LARGEST
        known = folder.name in NOT_IN_LLAMA_CPP
        print(f"  llama.cpp's logits differ by {distance:.5f}" + (", as they must" if known else ""))
        good &= known or distance < largest
    return good


def main():
    mynah, llama_cpp, *folders = sys.argv[1:]
    sys.path[:0] = [llama_cpp, f"{llama_cpp}/gguf-py"]
    import conversion
    import gguf

    logging.disable(logging.WARNING)
    conversion.load_all_models()
    bad = []
    with tempfile.TemporaryDirectory() as place:
        for folder in map(Path, folders):
            print(folder.name)
            if not check(gguf, mynah, folder.resolve(), Path(place)):
                bad.append(folder.name)
    print(f"different: {', '.join(bad) or 'none'}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
