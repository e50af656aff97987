// jsforce, unmodified, against the emulator: signs in three ways, describes, reads all pages, writes.
// Prints one JSON object: per sObject the number of records and the SHA-256 of their sorted ids.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import jsforce from "jsforce";

const env = (name) => {
  assert.ok(process.env[name], `${name} is not set`);
  return process.env[name];
};
const loginUrl = env("SF_URL");
const oauth2 = { loginUrl, clientId: env("SF_CLIENT_ID"), clientSecret: env("SF_CLIENT_SECRET") };
const version = "62.0";

async function signIn() {
  const byPassword = new jsforce.Connection({ oauth2, version });
  const user = await byPassword.login(env("SF_USERNAME"), env("SF_PASSWORD"));
  assert.match(user.id, /^005/);
  const bySoap = new jsforce.Connection({ loginUrl, version });
  await bySoap.login(env("SF_USERNAME"), env("SF_PASSWORD"));
  assert.equal((await bySoap.identity()).user_id, user.id);
  const byClient = new jsforce.Connection({ oauth2: new jsforce.OAuth2(oauth2), instanceUrl: loginUrl, version });
  await byClient.authorize({ grant_type: "client_credentials" });
  assert.equal((await byClient.identity()).user_id, user.id);
  return byClient;
}

async function describes(conn) {
  const global = await conn.describeGlobal();
  assert.ok(global.sobjects.some((sobject) => sobject.name === "Contact" && sobject.queryable));
  const contact = await conn.describe("Contact");
  const lastName = contact.fields.find((field) => field.name === "LastName");
  assert.deepEqual([lastName.type, lastName.length, lastName.nillable], ["string", 80, false]);
  assert.ok(contact.childRelationships.length > 0);
}

async function allIds(conn, sobject, where = "") {
  const ids = [];
  let result = await conn.query(`SELECT Id FROM ${sobject}${where}`, { scanAll: true });
  for (;;) {
    ids.push(...result.records.map((record) => record.Id));
    if (result.done) break;
    result = await conn.queryMore(result.nextRecordsUrl);
  }
  assert.equal(new Set(ids).size, result.totalSize, `${sobject}: as many ids as totalSize says`);
  return ids.sort();
}

async function writes(conn) {
  const account = await conn.sobject("Account").create({ Name: "Interop & Söhne" });
  assert.ok(account.success);
  const contacts = await conn.sobject("Contact").create(
    [1, 2, 3].map((n) => ({ LastName: `Interop ${n}`, AccountId: account.id, Email: `interop${n}@example.com` })),
  );
  assert.ok(contacts.every((contact) => contact.success));
  const { records } = await conn.query(
    `SELECT Id, Name, Account.Name FROM Contact WHERE AccountId = '${account.id}' ORDER BY Name`,
  );
  assert.deepEqual(records.map((record) => [record.Name, record.Account.Name]), [
    ["Interop 1", "Interop & Söhne"],
    ["Interop 2", "Interop & Söhne"],
    ["Interop 3", "Interop & Söhne"],
  ]);
  await conn.sobject("Contact").update({ Id: contacts[0].id, Phone: "+1 415 555 0100" });
  assert.equal((await conn.sobject("Contact").retrieve(contacts[0].id)).Phone, "+1 415 555 0100");
  await assert.rejects(conn.sobject("Contact").create({ FirstName: "Nobody" }), /REQUIRED_FIELD_MISSING|LastName/);
  await assert.rejects(conn.query("SELECT Nope FROM Contact"), /No such column 'Nope'/);
  const deleted = await conn.sobject("Contact").destroy(contacts.map((contact) => contact.id));
  assert.ok(deleted.every((row) => row.success));
  await conn.sobject("Account").destroy(account.id);
  await assert.rejects(conn.sobject("Contact").retrieve(contacts[0].id), /ENTITY_IS_DELETED|NOT_FOUND|deleted/i);
}

const conn = await signIn();
await describes(conn);
await writes(conn);
const fromEvents = " WHERE IsChild = false";
const sobjects = {
  Account: "", Contact: "", Lead: "", Opportunity: "", Task: "", Event: fromEvents, Note: "", ContentNote: "", OpportunityStage: "",
};
const report = {};
for (const [sobject, where] of Object.entries(sobjects)) {
  const ids = await allIds(conn, sobject, where);
  report[sobject] = { count: ids.length, ids: createHash("sha256").update(ids.join("\n")).digest("hex") };
}
console.log(JSON.stringify(report, null, 1));
