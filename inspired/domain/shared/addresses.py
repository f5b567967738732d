"""Network addresses as visitors: who counts as one and the same."""

from ipaddress import IPv6Address, ip_address, ip_network


def visitor(address: str) -> str:
    """What an IP address counts as. An IPv4 address written as IPv6 (`::ffff:203.0.113.7`) is the IPv4 address it is;
    of any other IPv6 address the first 64 bits count, since whoever has one address there has all the others below it.
    What is no address stays as it is."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))


def as_proxy_saw(header: str, hops: int) -> str | None:
    """Of a header to which every proxy on the way adds its word (`X-Forwarded-For`, `X-Forwarded-Proto`), what the
    outermost of `hops` trusted ones said; None where fewer have spoken."""
    words = [one.strip() for one in header.split(",")] if header.strip() else []
    return words[-hops] if 0 < hops <= len(words) else None
