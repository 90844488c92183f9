"""Folders of small sentence-transformers models with random weights, as the library saves them."""

import string

import torch

WORDS = ("a", "person", "is", "walks", "cooking", "dancing", "very", "query", ":", "falls", "up")
TOKENS = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), *WORDS,
    *string.ascii_lowercase[1:], *(f"##{letter}" for letter in string.ascii_lowercase),
)  # fmt: skip


def write_sentence_model(
    folder, seed=0, width=32, length=16, pooling="mean", dense=None, normalize=True, prompts=None
):
    """A BERT of one layer, its pooling, and on request a projection."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Dense,
        Normalize,
        Pooling,
        Transformer,
    )
    from transformers import BertConfig, BertModel, BertTokenizer

    bert = folder.with_name(f"{folder.name}-bert")
    bert.mkdir(parents=True)
    (bert / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
    BertTokenizer(str(bert / "vocab.txt")).save_pretrained(bert)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(TOKENS), hidden_size=width, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=2 * width, max_position_embeddings=64,
    )  # fmt: skip
    network = BertModel(config)
    for parameter in network.parameters():  # so that texts are not nearly alike
        parameter.data += 0.2 * torch.randn_like(parameter)
    network.save_pretrained(bert)
    modules = [Transformer(str(bert), max_seq_length=length)]
    modules.append(Pooling(width, pooling_mode=pooling))
    if dense:
        modules.append(Dense(width, dense, activation_function=torch.nn.Tanh()))
    if normalize:
        modules.append(Normalize())
    names = {"default_prompt_name": next(iter(prompts))} if prompts else {}
    model = SentenceTransformer(modules=modules, prompts=prompts, device="cpu", **names)
    model.save_pretrained(str(folder), create_model_card=False)
    return folder
