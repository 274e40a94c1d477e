"""What every kind of cell shares: its shape, and the comparison at its end."""

from dataclasses import dataclass
from typing import Callable

import clients
from stage import CellFailed

FLUSH_SECS = 10  # others may say "done" before the last bytes are in the file; ours may not


@dataclass
class Cell:
    """`play` gets the tools, the content and a stage; returns a remark, or raises CellFailed."""

    name: str
    needs: tuple
    play: Callable


def needs(*parts):
    """What several programs need, each once."""
    return tuple(dict.fromkeys(need for part in parts for need in part.needs))


def await_equal(content, shape, stage, leecher):
    """The downloaded files are the source's: at once for ours, soon for others."""
    differs = content.compare(shape, leecher.folder, empties_matter=leecher.makes_empty_files)
    if differs and isinstance(leecher, clients.Ours):
        raise CellFailed(f"{leecher.name} said done: {differs}")
    if differs:
        stage.wait_until(
            lambda: not content.compare(shape, leecher.folder, leecher.makes_empty_files),
            f"{leecher.name} wrote the source's bytes ({differs})", FLUSH_SECS)
