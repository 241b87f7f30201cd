"""Who may do what: sessions, forgery tokens and image addresses sealed by the queue's secret.

Nothing is kept on the server, so a killed and restarted one knows everybody again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass

SESSION_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Session:
    """Who is logged in; ``nonce`` tells two sessions of one rater apart."""

    rater: str
    nonce: str


class Seals:
    """Makes and checks seals (HMAC-SHA256) under one ``secret``."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.cookie = f"osler_{self._seal('name of the cookie')[:8]}"
        """Cookies do not know ports: two queues on one machine need two names."""

    def _seal(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def begin(self, rater: str, now: float) -> tuple[Session, str]:
        """A new session and the value of its cookie."""
        session = Session(rater, secrets.token_hex(8))
        body = json.dumps([session.rater, session.nonce, now])
        packed = base64.urlsafe_b64encode(body.encode()).decode()
        return session, f"{packed}.{self._seal('session ' + packed)}"

    def read(self, cookie: str, now: float) -> Session | None:
        """The session of a cookie that we sealed within a day, or None."""
        packed, _, seal = cookie.partition(".")
        if not same(seal, self._seal("session " + packed)):
            return None
        rater, nonce, begun = json.loads(base64.urlsafe_b64decode(packed))
        return Session(rater, nonce) if 0 <= now - begun < SESSION_S else None

    def forgery_token(self, session: Session) -> str:
        """What every write of a session must carry, and no foreign page can know."""
        return self._seal(f"write {session.nonce} {session.rater}")

    def image(self, sha256: str) -> str:
        """What lets somebody without a session see one image: for other tools."""
        return self._seal(f"image {sha256}")[:32]


def same(given: str, right: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
