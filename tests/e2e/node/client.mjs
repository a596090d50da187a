// A Trustist client as an integrator would write it: npm hawk signs and verifies, fetch sends.
// Prints one JSON object with what it saw; the test that ran it judges.

import Hawk from "hawk";

const base = process.env.CUSTOMERS_URL;
const credentials = { id: process.env.KEY_ID, key: process.env.KEY_SECRET, algorithm: "sha256" };
const json = "application/json";

/** Send one signed request; `verified` is what hawk says of the answer's Server-Authorization. */
async function call(method, path, members, options = {}) {
  const uri = base + path;
  const payload = members === undefined ? undefined : JSON.stringify(members);
  const signed = payload === undefined ? {} : { payload, contentType: json };
  const { header, artifacts } = Hawk.client.header(uri, method, { credentials, ...signed, ...options });
  const headers = { Authorization: header, ...(payload === undefined ? {} : { "Content-Type": json }) };
  const response = await fetch(uri, { method, headers, body: payload });
  const text = await response.text();
  const received = { headers: Object.fromEntries(response.headers) };
  let verified = true;
  try {
    await Hawk.client.authenticate(received, credentials, artifacts, {
      payload: text,
      required: response.status !== 401,
    });
  } catch (error) {
    verified = error.message;
  }
  return { status: response.status, body: JSON.parse(text), verified, header, received, artifacts, text };
}

const seen = {};
const keep = (name, { status, body, verified }) => (seen[name] = { status, body, verified });

// ── The vendor's samples; the page as given hides the e-mail addresses ──

const createCustomer = async (members) => {
  const answer = await call("POST", "/v1/customers", members);
  keep(members.firstName, answer);
  return answer.body;
};

// 1. E-Commerce Customer Signup: customer registers for your e-commerce site
const customer = await createCustomer({
  firstName: "John",
  lastName: "Smith",
  emailAddress: "john.smith@example.com",
  address: {
    addressLine1: "456 Main St",
    city: "Manchester",
    postalCode: "M1 1AA",
    country: "GB",
  },
});

// 3. Multi-Branch Organisation
await createCustomer({
  firstName: "Alice",
  lastName: "Brown",
  emailAddress: "alice@example.com",
  orgId: "branch-london",
});
await createCustomer({
  firstName: "Bob",
  lastName: "Green",
  emailAddress: "bob@example.com",
  orgId: "branch-manchester",
});
keep("london", await call("GET", "/v1/customers?orgId=branch-london"));

// ── What hawk itself can do ──

const path = `/v1/customers/${customer.id}`;
keep("read", await call("GET", path));
keep("read hashed", await call("GET", path, undefined, { payload: "", contentType: "" }));
keep("read with ext", await call("GET", path, undefined, { ext: 'a "quoted" \\ text', app: "shop", dlg: "agent" }));
keep("changed", await call("PUT", path, { lastName: "Jones", address: { city: null } }));
keep("unknown", await call("GET", "/v1/customers/3kTp9j2mN5xR"));
keep("invalid", await call("POST", "/v1/customers", { emailAddress: "none" }));

// The verification is worth something: hawk refuses the same answer with another body.
const answer = await call("GET", path);
try {
  await Hawk.client.authenticate(answer.received, credentials, answer.artifacts, { payload: `${answer.text} ` });
  seen["changed on the way"] = "accepted";
} catch (error) {
  seen["changed on the way"] = error.message;
}

// A client whose clock is wrong learns the time from an answer that hawk can verify, and sets its clock.
const timestamp = Math.floor(Date.now() / 1000) - 3600;
const stale = await call("GET", path, undefined, { timestamp });
keep("stale", stale);
const told = Hawk.utils.parseAuthorizationHeader(stale.received.headers["www-authenticate"], ["ts", "tsm", "error"]);
seen.told = told;
keep("corrected", await call("GET", path, undefined, { timestamp: Number(told.ts) }));

// The same signed request twice.
const replayed = await fetch(base + path, { headers: { Authorization: answer.header } });
seen.replayed = replayed.status;

console.log(JSON.stringify(seen));
