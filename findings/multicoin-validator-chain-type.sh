#!/usr/bin/env bash
# multicoin-address-validator 0.5.26 (npm): guess: `validate(address, "USDT", {chainType: "trc20"})` takes addresses of
# TRON only, as `chainType: "tron"` does, or refuses a chain it does not know. Seen: any name it does not know, "trc20",
# "bep20" and "trx" among them, means any chain, so an Ethereum address is taken for USDT on TRON.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund multicoin-address-validator@0.5.26 >/dev/null
seen=$(node -e '
const { validate } = require("multicoin-address-validator");
const contract = "0xdAC17F958D2ee523a2206206994597C13D831ec7";  // of USDT on Ethereum
console.log(["tron", "trc20", "bep20", "trx"].map((chainType) => validate(contract, "USDT", { chainType })).join(" "));'
); echo "an Ethereum address as tron, trc20, bep20, trx: $seen"
[ "$seen" = "false true true true" ]
