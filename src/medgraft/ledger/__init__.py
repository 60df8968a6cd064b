"""The ledger: who said what about which image, and when; nothing in it is ever changed.

`open_ledger` opens or begins one, in a SQLite file or a PostgreSQL database. It hands out
images to readers (`Ledger.next`), takes their answers (`Ledger.answer`) as events that no
statement can change or remove, and derives from the events what holds now (`Ledger.labels`,
`Ledger.progress`, `Ledger.agreement`).
"""

from medgraft.ledger.campaign import Campaign, Class
from medgraft.ledger.opening import open_ledger
from medgraft.ledger.records import Event, Leased, Progress, Queued, Reading

__all__ = [
    "Campaign",
    "Class",
    "Event",
    "Leased",
    "Progress",
    "Queued",
    "Reading",
    "open_ledger",
]
