"""IP addresses as visitors: which addresses count as the same visitor."""

from ipaddress import IPv6Address, ip_address, ip_network


def visitor(address: str) -> str:
    """The visitor of an IP address. An IPv4 address written as IPv6 (`::ffff:203.0.113.7`) counts as that IPv4 address.
    Of other IPv6 addresses only the first 64 bits count, since a visitor with one of them has them all. Other text is
    returned unchanged."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))


def as_proxy_saw(header: str, hops: int) -> str | None:
    """What the outermost of `hops` trusted proxies wrote into a header each proxy appends to (`X-Forwarded-For`,
    `X-Forwarded-Proto`); None if there are fewer entries."""
    words = [one.strip() for one in header.split(",")] if header.strip() else []
    return words[-hops] if 0 < hops <= len(words) else None
