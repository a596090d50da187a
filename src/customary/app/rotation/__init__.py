"""Keys of a tenant that turn while others read and write: a step at a time, each a transaction of its own.

How far a turning has come is noted in the store with each step, so that it can be killed anywhere and taken
up again by whoever comes next, and two who do it at once do it together. There are three kinds:

- ``seal``: another seal key. Customers' keys and credentials' secrets are wrapped under it; records are not
  touched.
- ``index``: another index key. Records get its tags beside those they have; when all have them, it is the one
  that finds, and they lose the others. What finds idempotency answers is kept of the old key until the last
  answer of before is too old to be replayed.
- ``records``: another key for each customer, and all versions sealed anew.

An old key goes in the transaction that finds that nothing needs it, after everything was opened and found
once. Nobody seals under it meanwhile: the engine lets nobody write with keys of an earlier generation.
It must never know when a step is made, or how it is told.
"""

from customary.app.rotation.checking import Looked, confirm, look
from customary.app.rotation.resealing import Prepared, prepare, reseal
from customary.app.rotation.steps import advance, forget_answers
from customary.app.rotation.turnings import Kind, Phase, Turning, begin, find, list_turnings

__all__ = [
    "Kind",
    "Looked",
    "Phase",
    "Prepared",
    "Turning",
    "advance",
    "begin",
    "confirm",
    "find",
    "forget_answers",
    "list_turnings",
    "look",
    "prepare",
    "reseal",
]
