// The published `bmerch`, unchanged, against the address given: creates an order, reads the certificates, or says of
// each webhook on standard input whether it is genuine.
const [module, baseURL, key, secret, what] = process.argv.slice(2)
const { BinanceMerch } = await import(module)
const client = new BinanceMerch(key, secret, { baseURL, timeout: 5000 })

let text = ''
for await (const chunk of process.stdin) text += chunk
const input = JSON.parse(text)

const actions = {
  create: async () => (await client.createOrder(input)).data,
  certificates: async () => (await client.getCertificates()).data,
  verify: async () => {
    const verdicts = []
    for (const one of input) verdicts.push(await client.isValidWebhookRequest(one.headers, one.body))
    return verdicts
  },
}
console.log(JSON.stringify(await actions[what]()))
