"""A copy of a recording for somebody outside, marked so that a copy of the copy still tells whose it is.

Three marks: the file's name, its tags (title, who, when, why, export's id), and a noise far below hearing in the sound
itself (`recordings.archive.watermark`), which stays when tags are taken out. Blocks: call it in a worker thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from recordings import files
from recordings.archive.decoded import DecodedWav, wav_head
from recordings.archive.form import FormError
from recordings.archive.watermark import Watermark

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def marked(source: DecodedWav, id: str) -> Iterator[npt.NDArray[np.int16]]:
    """The samples with the mark of an export in them, block by block."""
    mark, at = Watermark(id), 0
    for block in source.blocks():
        yield mark.put(block, at)
        at += len(block)


def write_export(source: DecodedWav, target: BinaryIO, form: str, id: str, tags: Mapping[str, str]) -> None:  # noqa: A002
    """Write the marked copy, as ``wav`` or ``flac``, into a file on the disk that is open for reading and writing.

    Raises FormError, OSError, and what the source raises.
    """
    if form == "wav":
        target.write(wav_head(source.frames, source.legs, tags))
        for block in marked(source, id):
            target.write(block.astype("<i2").tobytes())
        target.flush()
        return
    import soundfile

    try:
        way: dict[str, Any] = {"format": "FLAC", "subtype": "PCM_16", "compression_level": 0.5}
        number = target.fileno()
        with soundfile.SoundFile(number, "w", files.RATE, source.legs, closefd=False, **way) as out:
            for name, value in tags.items():
                setattr(out, name, value)
            for block in marked(source, id):
                out.write(block)
    except soundfile.LibsndfileError as error:
        raise FormError(f"the copy cannot be written: {error.error_string}") from error
