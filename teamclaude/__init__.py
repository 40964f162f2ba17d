"""TeamClaude: a local proxy that serves Claude Code from several accounts of one person.

Claude Code talks to it instead of the API; every conversation sticks to one account, new work
goes to the account furthest behind its weekly quota line, and a refusal fails over.
"""

from __future__ import annotations

__version__ = "0.1.0"
