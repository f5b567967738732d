// A status route on Fastify: one read of one document. Usage: MONGODB_URI=… node server.mjs PORT
import Fastify from "fastify";
import { MongoClient } from "mongodb";

const client = new MongoClient(process.env.MONGODB_URI, { maxPoolSize: 10, minPoolSize: 2 });
await client.connect();
const payments = client.db("peers").collection("payments");
const projection = { status: 1, amount: 1, reference: 1 };

const server = Fastify();
server.get("/api/status", async (request, reply) => {
  const found = await payments.findOne({ _id: Number(request.query.id) }, { projection });
  return found ?? reply.code(404).send({});
});
await server.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
