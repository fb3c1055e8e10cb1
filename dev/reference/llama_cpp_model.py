"""A model in llama.cpp, one call per batch, without llama-cpp-python's own sampling or cache.

The fixtures and the benchmark share this, so that both measure and pin the same computation:
a cache of f16, batches of up to 512 tokens, flash attention off (0), on (1) or as llama.cpp
prefers (-1).
"""

import ctypes

import llama_cpp
import numpy as np

BATCH = 512


@llama_cpp.llama_log_callback
def _quiet(_level, _text, _user_data):
    pass


class LlamaCppModel:
    """A GGUF file, loaded by llama.cpp on the processor."""

    def __init__(self, path, n_context=1024, threads=1, flash_attention=0):
        llama_cpp.llama_log_set(_quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        options = llama_cpp.llama_model_default_params()
        options.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), options)
        if not self.model:
            raise OSError(f"llama.cpp cannot load {path}")
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.n_vocabulary = llama_cpp.llama_vocab_n_tokens(self.vocabulary)

        options = llama_cpp.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch = n_context, BATCH, BATCH
        options.n_threads = options.n_threads_batch = threads
        options.flash_attn_type = flash_attention
        self.context = llama_cpp.llama_init_from_model(self.model, options)
        if not self.context:
            raise OSError(f"llama.cpp cannot make a context of {n_context} tokens")
        self.batch = llama_cpp.llama_batch_init(BATCH, 0, 1)
        self.n_past = 0

    def tokenize(self, text, add_special=False, parse_special=False):
        """Token ids; `parse_special` reads the names of control tokens in the text as those tokens."""
        data = text.encode()
        room = len(data) + 8
        ids = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self.vocabulary, data, len(data), ids, room, add_special, parse_special)
        if count < 0:
            raise ValueError(f"llama.cpp cannot tokenize {text!r}")
        return list(ids[:count])

    @property
    def bos(self):
        """The token that begins a text, if the file asks for one."""
        if llama_cpp.llama_vocab_get_add_bos(self.vocabulary):
            return llama_cpp.llama_vocab_bos(self.vocabulary)
        return None

    def forget(self):
        """Empties the cache."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), False)
        self.n_past = 0

    def decode(self, ids, first_output=-1):
        """Appends `ids` (one batch); returns float32 logits `[outputs, vocabulary]`.

        Logits are computed from position `first_output` of the batch on; -1 is the last one only.
        """
        first_output %= len(ids)
        self.batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            self.batch.token[i] = token
            self.batch.pos[i] = self.n_past + i
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = 0
            self.batch.logits[i] = i >= first_output
        status = llama_cpp.llama_decode(self.context, self.batch)
        if status != 0:
            raise RuntimeError(f"llama_decode returned {status}")
        self.n_past += len(ids)
        # A view of llama.cpp's own memory, valid until the next batch.
        return np.ctypeslib.as_array(
            llama_cpp.llama_get_logits(self.context), shape=(len(ids) - first_output, self.n_vocabulary)
        )
