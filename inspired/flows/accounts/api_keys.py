"""Making, recognising and revoking the keys by which programs read the owner's API."""

import hashlib
from datetime import timedelta

from inspired.domain.accounts.api_keys import PREFIX, ApiKey, Scope
from inspired.domain.shared.errors import Conflict
from inspired.services import Services

LONGEST = 100
NOTE_EVERY = timedelta(minutes=1)  # how exactly the last use is remembered


def make(svc: Services, name: str, scopes: frozenset[Scope], by: str) -> tuple[ApiKey, str]:
    """The key, and its secret: told now and never again, since only a hash of it is kept."""
    secret = PREFIX + svc.new_token()
    key = ApiKey(svc.new_id(), name, _hashed(secret), secret[-4:], scopes, by, svc.now())
    svc.api_keys.add(key)
    svc.audit.add(svc.now(), by, "made_key", key.id, " ".join(sorted(scopes)))
    return key, secret


def found(svc: Services, secret: str) -> ApiKey | None:
    """None where there is no such key, or it was revoked. Its secret has 168 random bits, so a plain hash will do."""
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
