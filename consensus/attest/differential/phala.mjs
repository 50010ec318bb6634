// Judges the vectors that come in, one JSON object a line, with @phala/dcap-qvl, and
// answers each with a line.
import { createInterface } from "node:readline";
import qvl from "@phala/dcap-qvl";

for await (const line of createInterface({ input: process.stdin })) {
  const { quote, collateral, root, now } = JSON.parse(line);
  let answer;
  try {
    const verifier = new qvl.QuoteVerifier(Buffer.from(root, "hex"));
    const report = await verifier.verify(Buffer.from(quote, "hex"), collateral, now);
    answer = { status: report.status };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  console.log(JSON.stringify(answer));
}
