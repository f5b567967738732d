"""What a drill is: one failure in words, and the script that plays it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inspired.rehearsal.play import Play

Script = Callable[["Play"], None]


@dataclass(frozen=True, slots=True)
class Drill:
    """`id` stands in addresses. `settings`: what this drill changes of the stage's settings."""

    id: str
    title: str
    happens: str
    should: str
    script: Script
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Drills of one kind, in the order of their scripts."""

    title: str
    drills: list[Drill] = field(default_factory=list)

    def drill(
        self, drill_id: str, title: str, *, happens: str, should: str, settings: Mapping[str, str] | None = None
    ) -> Callable[[Script], Script]:
        """Before a script: makes it one of this group's drills."""

        def added(script: Script) -> Script:
            self.drills.append(Drill(drill_id, title, happens, should, script, settings or {}))
            return script

        return added
