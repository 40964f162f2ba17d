"""What an operator changes while the server runs: pins, accounts in service, the recording of traffic.

Each is in force at once.  What has a place in the config file is written there first, and the file is read
again: both say the same, also after a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from ..accounts.config.config_file import ConfigFile
from ..accounts.config.edits import edit_account
from ..accounts.config.identity import find_name
from ..errors import BadRequestError, ConfigError, NotFoundError, UsageError
from ..routing.user_rules.patterns import normalized_path
from ..typed_json import to_json
from .forwarding.account_targets import CurrentTargets

if TYPE_CHECKING:
    from ..routing.switch_price import SwitchPrice
    from .runtime import Runtime

__all__ = ["OperatorControls"]


class OperatorControls:
    """The controls of one server; raise NotFoundError for an account that there is not.  Any thread."""

    def __init__(self, runtime: Runtime, config_file: ConfigFile, targets: CurrentTargets) -> None:
        self._runtime = runtime
        self._config_file = config_file
        self._targets = targets

    def switch_price(self, account: str, session: Optional[str]) -> SwitchPrice:
        """Return what a switch of all work, or of one session, to an account would write to its cache."""
        from ..routing.switch_price import switch_price  # nobody has to switch

        snapshot = self._runtime.router.snapshot({})
        return switch_price(snapshot, self._full_name(account), session, self._runtime.context.prices)

    def switch(
        self, account: Optional[str], session: Optional[str], project: Optional[str] = None
    ) -> dict[str, Any]:
        """Pin all traffic, one session or a project to an account; None removes the pin."""
        name = self._full_name(account) if account is not None else None
        key = self._targets.current.key_of(name) if name is not None else None
        self._runtime.router.pin(key, session, project or "")
        self._runtime.save_soon()
        found = self._runtime.router.snapshot({})
        return {
            "account": name,
            "session": session,
            "project": project,
            "forbiddenBy": self._forbidden_by(project, name),
            "pins": [to_json(pin) for pin in found.pins],
            "projectPins": [to_json(pin) for pin in found.project_pins],
        }

    def _forbidden_by(self, project: Optional[str], name: Optional[str]) -> Optional[str]:
        """Return the place of the route for which a pin of a project has no effect, or None."""
        from ..routing.user_rules.route_notes import forbidding_route  # as above

        config = self._runtime.context.config
        account = next((each for each in config.accounts if each.name == name), None)
        if not project or account is None:
            return None
        place = normalized_path(project)
        return forbidding_route(place, account, config.route_specs(), config.accounts) or None

    def set_enabled(self, account: str, enabled: bool) -> dict[str, Any]:
        """Enable or disable an account, at once and in the config file.

        What was held against one that is enabled is forgotten, also that its login was refused: "note" says
        what becomes of that.
        """
        name = self._full_name(account)
        try:
            self._config_file.update(lambda raw: edit_account(raw, name, disabled=not enabled))
        except (ConfigError, UsageError) as error:
            raise BadRequestError(str(error)) from error
        self._runtime.reload()
        key = self._targets.current.key_of(name)
        done = {"account": name, "enabled": enabled}
        return done if not enabled or key is None else {**done, **self._try_again(key)}

    def _try_again(self, key: str) -> dict[str, str]:
        router = self._runtime.router
        account = router.read(lambda fleet, now: fleet.accounts.get(key))
        refused = "" if account is None else account.auth_failed
        router.reset_benches(key)
        needs_login = self._runtime.token_manager.try_again(key)
        if needs_login:
            router.mark_account_auth_failed(key, needs_login)
            return {"note": f"its login can't be used: {needs_login}"}
        if refused:
            return {"note": f"its login was refused ({refused}), and the next request tries it again"}
        return {}

    def record(self, on: Optional[bool]) -> dict[str, Any]:
        """Switch the recording of traffic, at once and in the config file; None only returns its state."""
        recorder = self._runtime.journal.recorder
        assert recorder is not None
        if on is not None:
            try:
                self._config_file.update(lambda raw: raw.__setitem__("record", on))
            except ConfigError as error:
                raise BadRequestError(str(error)) from error
            self._runtime.reload()
        return recorder.status()

    def _full_name(self, account: str) -> str:
        try:
            return find_name(list(self._targets.current.names().values()), account)
        except UsageError as error:
            raise NotFoundError(str(error)) from None
