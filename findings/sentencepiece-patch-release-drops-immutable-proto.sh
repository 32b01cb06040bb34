#!/usr/bin/env bash
# Library:     sentencepiece 0.2.1 and 0.2.3, from PyPI.
# One guesses: a patch release keeps the documented way to get the place of each token in the text,
#              encode(text, out_type="immutable_proto"), and so does its replacement without other packages.
# Behaviour:   0.2.3 refuses immutable_proto and names "proto" in its place. This was serialised bytes in 0.2.1; now it
#              needs the package protobuf, which sentencepiece does not install. EncodeAsOffsetMapping needs neither, but
#              0.2.1 does not have it.
# Seen:        "0.2.1 ImmutableSentencePieceText bytes False" and "0.2.3 ValueError ImportError True".
# Way out:     use EncodeAsOffsetMapping if the processor has it, else immutable_proto.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/try.py" <<'PY'
import io
import sys

import sentencepiece

lines = (f"the cat sat on mat number {i} and the dog ran {i * 7} miles" for i in range(300))
model = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(sentence_iterator=lines, model_writer=model, vocab_size=60, minloglevel=2)
processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def outcome(kind):
    try:
        return type(processor.encode("the cat", out_type=kind)).__name__
    except Exception as error:
        return type(error).__name__


found = (outcome("immutable_proto"), outcome("proto"), hasattr(processor, "EncodeAsOffsetMapping"))
print(sentencepiece.__version__, *found)
if found[2]:
    print(processor.EncodeAsOffsetMapping("the cat")["offsets"])
sys.exit(found != {"0.2.1": ("ImmutableSentencePieceText", "bytes", False), "0.2.3": ("ValueError", "ImportError", True)}[
    sentencepiece.__version__
])
PY
for version in 0.2.1 0.2.3; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "sentencepiece==$version"
  "$folder/$version/bin/python" "$folder/try.py"
done
