"""What every page of a reading tells of the run it is of."""

from __future__ import annotations

import time
from typing import Any

from ... import __version__
from ...reports.wording import flat, hardware
from ..opening import OpenRun
from ..record import minutes

__all__ = ["page_facts"]


def page_facts(run: OpenRun, *commands: str) -> dict[str, Any]:
    """The fields of `RunReport`.

    Arguments:
        run: The run.
        commands: That make the page.
    """
    rows = run.folder.read_log()
    return {
        "minutes": minutes(run.about.record, rows),
        "steps": int(rows[-1]["step"]) if rows and "step" in rows[-1] else None,
        "hardware": hardware(run.about.record.get("hardware")),
        "settings": tuple(flat(run.about.config.as_dict())),
        "commands": commands,
        "version": f"typica {__version__}",
        "date": time.strftime("%Y-%m-%d"),
    }
