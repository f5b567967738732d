// A status route of Next.js: one read of one document.
import { MongoClient } from "mongodb";

export const dynamic = "force-dynamic";

let connected;

async function payments() {
  connected ??= new MongoClient(process.env.MONGODB_URI, { maxPoolSize: 10, minPoolSize: 2 }).connect();
  return (await connected).db("peers").collection("payments");
}

export async function GET(request) {
  const id = Number(new URL(request.url).searchParams.get("id"));
  const projection = { status: 1, amount: 1, reference: 1 };
  const found = await (await payments()).findOne({ _id: id }, { projection });
  return Response.json(found ?? {}, { status: found ? 200 : 404, headers: { "cache-control": "no-store" } });
}
