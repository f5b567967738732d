"""First in every process that has this folder on its PYTHONPATH: its clock goes wrong by the seconds in CLOCK_OFF.

CLOCK_OFF in the environment names a file, so that a process that is started again can have another clock.
"""

import datetime
import os
from pathlib import Path

seconds = float(Path(os.environ["CLOCK_OFF"]).read_text())
if seconds:
    import time_machine

    time_machine.travel(datetime.timedelta(seconds=seconds), tick=True).start()
