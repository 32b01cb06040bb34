"""HDF5 files of results: attributes, and tables whose columns are texts and numbers; read as untrusted input.

Texts are UTF-8 with a fixed width, padded with zeros. Numbers are little-endian int64 and float64. An integer that
needs more than 63 bits turns its whole column, or its attribute, into decimal text.

A file is untrusted input. HDF5 receives an image of it in memory, so that it cannot open other files. It parses only
the metadata, which has checksums in the format version that we write. Links, types and sizes are checked before any
data is touched. The data are decompressed here and not by HDF5, which would let a few bytes expand without limit.
"""

from pimsim.results.git_revision import git_revision
from pimsim.results.hdf5.kinds import MAX_BYTES, Kind, Row, Tables, shown_path
from pimsim.results.hdf5.reader import Reader, opened
from pimsim.results.hdf5.writer import (
    File,
    write_attributes,
    write_document,
    write_file,
    write_plugins,
    write_table,
)

__all__ = [
    "MAX_BYTES",
    "File",
    "Kind",
    "Reader",
    "Row",
    "Tables",
    "git_revision",
    "opened",
    "shown_path",
    "write_attributes",
    "write_document",
    "write_file",
    "write_plugins",
    "write_table",
]
