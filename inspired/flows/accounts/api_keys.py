"""Creating, verifying and revoking API keys for the owner's API."""

import hashlib
from datetime import timedelta

from inspired.domain.accounts.api_keys import PREFIX, ApiKey, Scope
from inspired.domain.shared.errors import Conflict
from inspired.services import Services

LONGEST = 100
NOTE_EVERY = timedelta(minutes=1)  # precision of the recorded last use


def make(svc: Services, name: str, scopes: frozenset[Scope], by: str) -> tuple[ApiKey, str]:
    """The key and its secret, which is shown only now, since only its hash is stored."""
    secret = PREFIX + svc.new_token()
    key = ApiKey(svc.new_id(), name, _hashed(secret), secret[-4:], scopes, by, svc.now())
    svc.api_keys.add(key)
    svc.audit.add(svc.now(), by, "made_key", key.id, " ".join(sorted(scopes)))
    return key, secret


def found(svc: Services, secret: str) -> ApiKey | None:
    """None if there is no such key, or it was revoked. A secret has 168 random bits, so a plain hash suffices."""
    key = svc.api_keys.by_hash(_hashed(secret)) if len(secret) <= LONGEST else None
    if key is None or key.revoked_at is not None:
        return None
    if key.used_at is None or svc.now() - key.used_at > NOTE_EVERY:
        svc.api_keys.used(key.id, svc.now())
    return key


def revoke(svc: Services, key_id: str, by: str) -> None:
    if not svc.api_keys.revoke(key_id, svc.now()):
        raise Conflict("There is no such key, or it was revoked already.")
    svc.audit.add(svc.now(), by, "revoked_key", key_id)


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
