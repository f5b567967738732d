export default function Page() {
  return <h1>Status</h1>;
}
