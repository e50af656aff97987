// jsforce, unmodified, against the emulator.
//
//   node jsforce.mjs check   signs in, describes, reads, writes; fails on the first thing that is not as Salesforce has it
//   node jsforce.mjs read    prints the records as `{sObject: [{id, deleted}]}`, deleted ones included
//
// Where the org is and how to sign in come from SF_URL, SF_CLIENT_ID, SF_CLIENT_SECRET, SF_REFRESH_TOKEN, SF_USERNAME and
// SF_PASSWORD; what is read comes from reads.json.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import jsforce from "jsforce";

const env = (name) => {
  assert.ok(process.env[name], `${name} is not set`);
  return process.env[name];
};
const loginUrl = env("SF_URL");
const oauth2 = { loginUrl, clientId: env("SF_CLIENT_ID"), clientSecret: env("SF_CLIENT_SECRET") };
const version = "62.0";

async function byClientCredentials() {
  const conn = new jsforce.Connection({ oauth2: new jsforce.OAuth2(oauth2), instanceUrl: loginUrl, version });
  await conn.authorize({ grant_type: "client_credentials" });
  return conn;
}

async function signsIn() {
  const conn = await byClientCredentials();
  const identity = await conn.identity();
  assert.match(identity.user_id, /^005.{15}$/);
  assert.match(identity.organization_id, /^00D.{15}$/);
  assert.equal(identity.username, env("SF_USERNAME"));

  const byPassword = new jsforce.Connection({ oauth2, version });
  assert.equal((await byPassword.login(env("SF_USERNAME"), env("SF_PASSWORD"))).id, identity.user_id);
  const bySoap = new jsforce.Connection({ loginUrl, version });
  assert.equal((await bySoap.login(env("SF_USERNAME"), env("SF_PASSWORD"))).id, identity.user_id);
  assert.equal((await bySoap.identity()).user_id, identity.user_id);
  await assert.rejects(new jsforce.Connection({ loginUrl, version }).login(env("SF_USERNAME"), "wrong"), /INVALID_LOGIN/);
  await assert.rejects(new jsforce.Connection({ oauth2, version }).login(env("SF_USERNAME"), "wrong"), { name: "invalid_grant" });

  // A session that is no longer good is renewed with the refresh token, once, and the call repeated.
  const session = { oauth2, version, instanceUrl: conn.instanceUrl, accessToken: "00Dgone!gone", refreshToken: env("SF_REFRESH_TOKEN") };
  const byRefresh = new jsforce.Connection(session);
  let refreshes = 0;
  byRefresh.on("refresh", () => (refreshes += 1));
  assert.equal((await byRefresh.query("SELECT COUNT() FROM User")).done, true);
  assert.equal(refreshes, 1);
  await byRefresh.logoutByOAuth2(false);
  const ended = new jsforce.Connection({ version, instanceUrl: conn.instanceUrl, accessToken: byRefresh.accessToken });
  await assert.rejects(ended.query("SELECT COUNT() FROM User"));
}

async function describes(conn) {
  const global = await conn.describeGlobal();
  assert.ok(global.sobjects.some((sobject) => sobject.name === "Contact" && sobject.queryable && sobject.keyPrefix === "003"));
  const contact = await conn.describe("Contact");
  const field = (name) => contact.fields.find((field) => field.name === name);
  assert.deepEqual([field("LastName").type, field("LastName").length, field("LastName").nillable], ["string", 80, false]);
  assert.deepEqual([field("AccountId").referenceTo, field("AccountId").relationshipName], [["Account"], "Account"]);
  assert.ok(contact.childRelationships.some((child) => child.childSObject === "Task" && child.field === "WhoId"));
  assert.equal((await conn.describe$("Contact")).fields.length, contact.fields.length);
  assert.equal((await conn.sobject("Contact").describe$()).fields.length, contact.fields.length);
}

async function countsCalls(conn) {
  const before = (await conn.limits()).DailyApiRequests;
  await conn.query("SELECT COUNT() FROM Contact");
  const after = (await conn.limits()).DailyApiRequests;
  assert.equal(before.Max, after.Max);
  assert.ok(before.Remaining - after.Remaining >= 1);
  const { used, limit } = conn.limitInfo.apiUsage;
  assert.deepEqual([limit, limit - used], [after.Max, after.Remaining]);
}

async function readsPages(conn) {
  const soql = "SELECT Id FROM Contact";
  const first = await conn.query(soql);
  assert.deepEqual([first.done, first.records.length], [false, 2000], "seed the org with more than 2,000 contacts");
  const second = await conn.queryMore(first.nextRecordsUrl);
  assert.equal(first.records.length + second.records.length, first.totalSize);
  const some = await conn.query(soql, { autoFetch: true, maxFetch: 2100 });
  assert.equal(some.records.length, 2100);
  const small = await conn.query(soql, { headers: { "Sforce-Query-Options": "batchSize=200" } });
  assert.equal(small.records.length, 200);
  const counted = await new Promise((resolve, reject) => {
    const seen = new Set();
    const query = conn.query(soql).on("record", (record) => seen.add(record.Id)).on("error", reject);
    query.on("end", () => resolve([seen.size, query.totalFetched])).run({ autoFetch: true, maxFetch: 1e6 });
  });
  assert.deepEqual(counted, [first.totalSize, first.totalSize]);
  const all = await conn.query(soql, { scanAll: true });
  const deleted = await conn.query(`${soql} WHERE IsDeleted = true`, { scanAll: true });
  assert.ok(deleted.totalSize > 0);
  assert.equal(all.totalSize, first.totalSize + deleted.totalSize);
  assert.equal((await conn.query(`${soql} WHERE IsDeleted = true`)).totalSize, 0);
}

async function finds(conn) {
  const wanted = { LastName: { $like: "Finder %" }, Email: { $ne: null }, CreatedDate: { $gte: jsforce.SfDate.YESTERDAY } };
  const rows = ["Ärger", "O'Neil", "100%", "quote\"d"].map((name) => ({ LastName: `Finder ${name}`, Email: "finder@example.com" }));
  const made = await conn.sobject("Contact").create(rows);
  assert.ok(made.every((row) => row.success));
  const found = await conn.sobject("Contact").find(wanted, "Id, LastName").sort({ LastName: 1 }).execute();
  assert.deepEqual(found.map((row) => row.LastName).sort(), rows.map((row) => row.LastName).sort());
  const paged = await conn.sobject("Contact").find(wanted, { LastName: 1 }).sort("LastName").limit(2).skip(1).execute();
  assert.deepEqual(paged.map((row) => row.LastName), found.slice(1, 3).map((row) => row.LastName));
  for (const { LastName } of rows) {
    assert.equal(await conn.sobject("Contact").count({ LastName }), 1, LastName);
  }
  const either = { $or: [{ LastName: rows[0].LastName }, { LastName: { $in: [rows[1].LastName, "nobody"] } }] };
  assert.equal((await conn.sobject("Contact").find(either, "Id").execute()).length, 2);
  const whole = (await conn.sobject("Contact").find({ Id: made[0].id }, "*").execute())[0];
  assert.equal(whole.LastName, rows[0].LastName);
  const changed = await conn.sobject("Contact").find(wanted).update({ Title: "Found ${LastName}" }, { bulkThreshold: -1 });
  assert.ok(changed.every((row) => row.success));
  assert.equal((await conn.sobject("Contact").retrieve(made[1].id)).Title, "Found Finder O'Neil");
  const destroyed = await conn.sobject("Contact").find(wanted).destroy({ bulkThreshold: -1 });
  assert.equal(destroyed.filter((row) => row.success).length, rows.length);
}

async function relates(conn) {
  const account = await conn.sobject("Account").create({ Name: "Interop & Söhne" });
  const contacts = await conn.sobject("Contact").create([1, 2, 3].map((n) => ({ LastName: `Related ${n}`, AccountId: account.id })));
  const up = await conn.query(`SELECT Name, Account.Name, Account.Owner.Username FROM Contact WHERE AccountId = '${account.id}' ORDER BY Name`);
  const names = up.records.map((record) => [record.Name, record.Account.Name, record.Account.Owner.Username]);
  assert.deepEqual(names, [1, 2, 3].map((n) => [`Related ${n}`, "Interop & Söhne", env("SF_USERNAME")]));
  const down = await conn.sobject("Account").find({ Id: account.id }, "Id, Name")
    .include("Contacts").select("Id, LastName").where({ LastName: { $ne: "Related 2" } }).orderby("LastName", "DESC").end().execute();
  assert.deepEqual(down[0].Contacts.records.map((record) => record.LastName), ["Related 3", "Related 1"]);
  const grouped = await conn.query(
    `SELECT AccountId, COUNT(Id) contacts FROM Contact WHERE AccountId = '${account.id}' GROUP BY AccountId HAVING COUNT(Id) > 2`,
  );
  assert.deepEqual(grouped.records.map((row) => [row.AccountId, row.contacts]), [[account.id, 3]]);
  // Deleting an account takes its contacts along.
  assert.ok((await conn.sobject("Account").destroy(account.id)).success);
  await assert.rejects(conn.sobject("Contact").retrieve(contacts[0].id), { errorCode: "ENTITY_IS_DELETED" });
  const gone = await conn.query(`SELECT Id FROM Contact WHERE AccountId = '${account.id}' AND IsDeleted = true`, { scanAll: true });
  assert.equal(gone.totalSize, 3);
}

async function writesMany(conn) {
  const rows = Array.from({ length: 450 }, (_, n) => ({ LastName: `Many ${n}`, Email: `many${n}@example.com` }));
  await assert.rejects(conn.sobject("Contact").create(rows), { errorCode: "EXCEEDED_ID_LIMIT" });
  const made = await conn.sobject("Contact").create(rows, { allowRecursive: true });
  assert.equal(new Set(made.map((row) => row.id)).size, rows.length);
  const calls = made.map((row, n) => ({ Id: row.id, Phone: `+1 415 555 ${n}` }));
  assert.ok((await conn.sobject("Contact").update(calls, { allowRecursive: true })).every((row) => row.success));
  const back = await conn.sobject("Contact").retrieve(made.slice(0, 200).map((row) => row.id), { fields: ["Id", "Phone"] });
  assert.deepEqual(back.map((row) => row.Phone), calls.slice(0, 200).map((row) => row.Phone));
  const partly = await conn.sobject("Contact").create([{ LastName: "Fine" }, { FirstName: "Nobody" }]);
  assert.deepEqual(partly.map((row) => row.success), [true, false]);
  assert.deepEqual([partly[1].errors[0].statusCode, partly[1].errors[0].fields], ["REQUIRED_FIELD_MISSING", ["LastName"]]);
  const none = await conn.sobject("Contact").create([{ LastName: "Fine" }, { FirstName: "Nobody" }], { allOrNone: true });
  assert.deepEqual(none.map((row) => row.errors[0].statusCode), ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]);
  const ids = [...made.map((row) => row.id), partly[0].id];
  assert.ok((await conn.sobject("Contact").destroy(ids, { allowRecursive: true })).every((row) => row.success));
}

async function upserts(conn) {
  const contact = conn.sobject("Contact");
  const first = await contact.upsert({ Email: "upsert@example.com", LastName: "Upsert 1" }, "Email");
  assert.deepEqual([first.success, first.created], [true, true]);
  const second = await contact.upsert({ Email: "upsert@example.com", LastName: "Upsert 2" }, "Email");
  assert.deepEqual([second.id, second.created], [first.id, false]);
  const several = await contact.upsert([{ Email: "upsert@example.com", LastName: "Upsert 3" }, { Email: "new@example.com", LastName: "New" }], "Email");
  assert.deepEqual(several.map((row) => row.created), [false, true]);
  assert.equal((await contact.retrieve(first.id)).LastName, "Upsert 3");
  await contact.update({ Id: first.id, Phone: "+1 415 555 0100", Birthdate: "1990-02-28", MailingStreet: "1 Main\nFloor 2" });
  const back = await contact.record(first.id).retrieve();
  assert.deepEqual([back.Phone, back.Birthdate, back.MailingAddress.street], ["+1 415 555 0100", "1990-02-28", "1 Main\nFloor 2"]);
  await assert.rejects(contact.update({ Id: first.id, Birthdate: "1990-02-30" }), { errorCode: "JSON_PARSER_ERROR" });
  await contact.destroy([first.id, several[1].id]);
}

async function replicates(conn) {
  const made = await conn.sobject("Lead").create([{ LastName: "Kept", Company: "A" }, { LastName: "Dropped", Company: "B" }]);
  await conn.sobject("Lead").destroy(made[1].id);
  // Both calls leave the seconds off, so that the running minute is asked for with a start before it.
  const start = new Date(Date.now() - 5 * 60e3);
  const updated = await conn.sobject("Lead").updated(start, new Date());
  const deleted = await conn.sobject("Lead").deleted(start, new Date());
  assert.ok(new Date(updated.latestDateCovered) <= new Date());
  assert.ok(Array.isArray(updated.ids) && Array.isArray(deleted.deletedRecords));
  assert.ok(!updated.ids.includes(made[1].id), "a deleted record is not an updated one");
  assert.ok(!deleted.deletedRecords.some((row) => row.id === made[0].id));
}

async function composes(conn) {
  const base = `/services/data/v${version}`;
  const { compositeResponse } = await conn.requestPost(`${base}/composite`, {
    allOrNone: true,
    compositeRequest: [
      { method: "POST", url: `${base}/sobjects/Account`, referenceId: "account", body: { Name: "Composed" } },
      { method: "POST", url: `${base}/sobjects/Contact`, referenceId: "contact", body: { LastName: "Composed", AccountId: "@{account.id}" } },
      { method: "GET", url: `${base}/sobjects/Contact/@{contact.id}?fields=AccountId`, referenceId: "back" },
    ],
  });
  assert.deepEqual(compositeResponse.map((row) => row.httpStatusCode), [201, 201, 200]);
  assert.equal(compositeResponse[2].body.AccountId, compositeResponse[0].body.id);
  const tree = await conn.requestPost(`${base}/composite/tree/Account`, {
    records: [{
      attributes: { type: "Account", referenceId: "a" }, Name: "Tree",
      Contacts: { records: [{ attributes: { type: "Contact", referenceId: "c" }, LastName: "Leaf" }] },
    }],
  });
  assert.deepEqual([tree.hasErrors, tree.results.map((row) => row.referenceId)], [false, ["a", "c"]]);
  const batch = await conn.requestPost(`${base}/composite/batch`, {
    batchRequests: ["Account", "Nope"].map((name) => ({ method: "GET", url: `v${version}/sobjects/${name}/describe` })),
  });
  assert.deepEqual([batch.hasErrors, batch.results.map((row) => row.statusCode)], [true, [200, 404]]);
  await conn.sobject("Account").destroy([compositeResponse[0].body.id, tree.results[0].id]);
}

async function searches(conn) {
  const made = await conn.sobject("Contact").create({ LastName: "Quetzalcoatl", Email: "searched@example.com" });
  for (const words of ["Quetzalcoatl", "quetzal*", "searched@example.com"]) {
    const { searchRecords } = await conn.search(`FIND {${words}} IN ALL FIELDS RETURNING Contact(Id, LastName), Lead(Id)`);
    assert.deepEqual(searchRecords.map((record) => [record.attributes.type, record.Id, record.LastName]), [["Contact", made.id, "Quetzalcoatl"]], words);
  }
  await conn.sobject("Contact").destroy(made.id);
  assert.deepEqual((await conn.search("FIND {Quetzalcoatl} RETURNING Contact(Id)")).searchRecords, []);
}

// Names that a careless reader or writer of CSV breaks.
const CSV_NAMES = ["Comma, Inc", 'Quote "d"', "Line\nbreak", "Ünï ✓", " spaced "];

async function loads(conn) {
  conn.bulk2.pollInterval = 50;
  const count = async (soql, options) => (await (await conn.bulk2.query(soql, options)).toArray()).length;
  const rest = async (options) => (await conn.query("SELECT Id FROM Contact", options)).totalSize;
  assert.equal(await count("SELECT Id, Name FROM Contact"), await rest());
  assert.equal(await count("SELECT Id, Name FROM Contact", { scanAll: true }), await rest({ scanAll: true }));
  const input = [...CSV_NAMES.map((name) => ({ LastName: name, Email: "bulk@example.com" })), { LastName: "", Email: "bulk@example.com" }];
  const { successfulResults, failedResults } = await conn.bulk2.loadAndWaitForResults({ object: "Contact", operation: "insert", input });
  assert.deepEqual([successfulResults.length, failedResults.length], [CSV_NAMES.length, 1]);
  assert.match(failedResults[0].sf__Error, /^REQUIRED_FIELD_MISSING/);
  const back = await (await conn.bulk2.query("SELECT Id, LastName FROM Contact WHERE Email = 'bulk@example.com'")).toArray();
  const given = new Map(successfulResults.map((row, n) => [row.sf__Id, CSV_NAMES[n].trim()]));
  assert.deepEqual(new Map(back.map((row) => [row.Id, row.LastName])), given);
  const ids = back.map((row) => ({ Id: row.Id }));
  const gone = await conn.bulk2.loadAndWaitForResults({ object: "Contact", operation: "delete", input: ids });
  assert.equal(gone.successfulResults.length, ids.length);
  await assert.rejects(conn.bulk2.query("SELECT COUNT(Id) FROM Contact"));
}

async function loadsTheOldWay(conn) {
  conn.bulk.pollInterval = 50;
  const rows = await conn.bulk.load("Contact", "insert", CSV_NAMES.map((name) => ({ LastName: name, Email: "bulk1@example.com" })));
  assert.ok(rows.every((row) => row.success));
  const back = await (await conn.bulk.query("SELECT LastName FROM Contact WHERE Email = 'bulk1@example.com'")).toArray();
  assert.deepEqual(back.map((row) => row.LastName).sort(), CSV_NAMES.map((name) => name.trim()).sort());
  const gone = await conn.bulk.load("Contact", "delete", rows.map((row) => ({ Id: row.id })));
  assert.ok(gone.every((row) => row.success));
}

async function refuses(conn) {
  await assert.rejects(conn.query("SELECT Nope FROM Contact"), { errorCode: "INVALID_FIELD", message: /No such column 'Nope' on entity 'Contact'/ });
  await assert.rejects(conn.query("SELECT Id FROM Nope"), { errorCode: "INVALID_TYPE" });
  await assert.rejects(conn.query("SELECT Id FORM Contact"), { errorCode: "MALFORMED_QUERY" });
  await assert.rejects(conn.sobject("Contact").create({ FirstName: "Nobody" }), { errorCode: "REQUIRED_FIELD_MISSING" });
  await assert.rejects(conn.sobject("Contact").create({ LastName: "x".repeat(81) }), { errorCode: "STRING_TOO_LONG" });
  await assert.rejects(conn.sobject("Contact").retrieve("003000000000000AAA"), { errorCode: "NOT_FOUND" });
  await assert.rejects(conn.queryMore(`/services/data/v${version}/query/01g000000000000AAA-2000`), { errorCode: "INVALID_QUERY_LOCATOR" });
}

const CHECKS = [describes, countsCalls, readsPages, finds, relates, writesMany, upserts, replicates, composes, searches, loads, loadsTheOldWay, refuses];

async function check() {
  await signsIn();
  console.log("ok signsIn");
  const conn = await byClientCredentials();
  for (const one of CHECKS) {
    await one(conn);
    console.log(`ok ${one.name}`);
  }
}

async function read() {
  const conn = await byClientCredentials();
  const report = {};
  const reads = JSON.parse(await readFile(new URL("reads.json", import.meta.url), "utf8"));
  for (const { sobject, id, deletable, where = "" } of reads) {
    const fields = deletable ? `${id}, IsDeleted` : id;
    let page = await conn.query(`SELECT ${fields} FROM ${sobject} ${where}`, { scanAll: true });
    const rows = (report[sobject] = []);
    const size = page.totalSize;
    for (;;) {
      rows.push(...page.records.map((record) => ({ id: record[id], deleted: record.IsDeleted ?? false })));
      if (page.done) break;
      page = await conn.queryMore(page.nextRecordsUrl);
    }
    assert.equal(rows.length, size, `${sobject}: as many rows as totalSize says`);
  }
  console.log(JSON.stringify(report));
}

const commands = { check, read };
const command = commands[process.argv[2]];
assert.ok(command, `usage: node jsforce.mjs ${Object.keys(commands).join("|")}`);
await command();
