"""The doctor: 25 mistakes of beginners' programs, found in source and in traced graphs.

`model` and `table` say what a finding is and which there are. `program` and `reader` read source
without running it; `rules` knows shapes. `checks` holds a function for each check, a file for each
family. `reflow` restores lost line breaks, `running` looks at a traced step, `demos` measures.
"""

from .diagnose import doctor
from .diagnosis import Diagnosis
from .model import Check, Finding
from .table import CHECKS

__all__ = ["CHECKS", "Check", "Diagnosis", "Finding", "doctor"]
