"""Three chains that carry USDT: TRON (TRC20), BNB Smart Chain (BEP20) and Ethereum (ERC20). No real money.

    networks   what is particular to each: chain id, contracts, decimals, block time, depth of finality
    addresses  keccak-256, EIP-55, base58check
    chain      blocks that come by themselves, transfers, reorganisations, finality
    contracts  what the token contracts answer, and the logs they make
    filters    eth_getLogs: filters, limits and refusals, node by node
    rpc        the JSON-RPC of a node over a chain, for Web3 clients
    nodes      two nodes a network, each with faults of its own; all chains of a sandbox
    http       the nodes over HTTP
    control    what tests and the page can do: send, mine, finalize, reorganise, break
    pages      the wallet of a customer, for people

Sources: the execution APIs of Ethereum and their public tests, the sources of java-tron and go-ethereum.
"""
