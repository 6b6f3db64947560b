"""A notification as the checks read it.

Notice      a notification read by the contract, and the answer whose request_id it carries
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from conformance.contract.contract import Contract
from conformance.judging.form import NOTHING, FormResult, notice_form
from conformance.judging.reading import Content
from conformance.judging.remembered import Outcome
from conformance.model.traffic import Notification


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification as the contract reads it.

    `outcome`: what became of the request, as text. `answer`: the one that it belongs to, None for an orphan: the first
    whose request_id it carries exactly, or if `altered` the one whose request_id it evidently means.
    """

    notification: Notification
    content: Content
    request_id: str | None
    outcome: str | None
    answer: Outcome | None
    altered: bool
    contract: Contract
    _form: FormResult | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def form(self) -> FormResult:
        """What the schemas say of it, found out once."""
        if self._form is None:
            content, form = self.content, NOTHING
            if content.error is None or content.in_query:
                form = notice_form(self.contract, self.command, content.value, self.outcome, typed=not content.in_query)
            object.__setattr__(self, "_form", form)
            return form
        return self._form

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return self.notification.number

    @property
    def product(self) -> str | None:
        """The product at whose callback it arrived."""
        return self.notification.product

    @property
    def command(self) -> str | None:
        """The command that it is judged under: its request's, or the one whose callback it came to.

        What no request precedes is judged under its product. The callback counts also where requests of several
        commands got one request_id, for that is another fault.
        """
        if self.answer is None and (row := self.contract.unsolicited_at(self.product)) is not None:
            return row.name
        if self.answer is None or self.product in self.owners:
            return self.contract.command_of(self.product)
        return self.answer.command

    @property
    def owners(self) -> Collection[str | None]:
        """The products of all answers that it may belong to."""
        if self.answer is None:
            return ()
        shared = None if self.altered else self.answer.shared
        return shared.products if shared else (self.answer.product,)
