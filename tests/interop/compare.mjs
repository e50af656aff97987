// Compares what several clients read of one org: node compare.mjs FOLDER, with jsforce.json, simple-salesforce.json,
// tap-salesforce.json, cirrus.json and the folder unicrm with one file per unified object.
// Per sObject the number of records, the number of deleted ones, and the SHA-256 of the sorted ids must agree.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

// Which sObject a unified record comes from. Where it may be one of two, the id's prefix tells.
const SOBJECTS = {
  accounts: () => "Account",
  contacts: () => "Contact",
  engagements: (id) => ({ "00T": "Task", "00U": "Event" })[id.slice(0, 3)],
  leads: () => "Lead",
  notes: (id) => ({ "002": "Note", "069": "ContentNote" })[id.slice(0, 3)],
  opportunities: () => "Opportunity",
  stages: () => "OpportunityStage",
  tasks: () => "Task",
  users: () => "User",
};

const json = async (file) => JSON.parse(await readFile(file, "utf8"));

async function unified(folder) {
  const report = {};
  for (const [object, sobjectOf] of Object.entries(SOBJECTS)) {
    const lines = (await readFile(join(folder, `${object}.ndjson`), "utf8")).split("\n").filter((line) => line !== "");
    for (const record of lines.map((line) => JSON.parse(line))) {
      const sobject = sobjectOf(record.remote_id) ?? `${object} of ${record.remote_id}`;
      (report[sobject] ??= []).push({ id: record.remote_id, deleted: record.remote_was_deleted ?? false });
    }
  }
  return report;
}

// One line per sObject; equal lines are equal readings.
function digest(rows = []) {
  const sha = (ids) => createHash("sha256").update(ids.sort().join("\n")).digest("hex");
  const deleted = rows.filter((row) => row.deleted).map((row) => row.id);
  return `${rows.length} records ${sha(rows.map((row) => row.id))}, ${deleted.length} deleted ${sha(deleted)}`;
}

// Some of the records that one reading has and the other has not, or has otherwise.
function difference(ours = [], theirs = []) {
  const key = (row) => `${row.id}${row.deleted ? " (deleted)" : ""}`;
  const without = (rows, others) => {
    const known = new Set(others.map(key));
    return rows.map(key).filter((one) => !known.has(one)).slice(0, 5);
  };
  return { only_ours: without(ours, theirs), only_theirs: without(theirs, ours) };
}

const folder = process.argv[2];
const others = ["simple-salesforce", "tap-salesforce", "cirrus"];
const reference = await json(join(folder, "jsforce.json"));
const readings = { unicrm: await unified(join(folder, "unicrm")) };
for (const other of others) {
  readings[other] = await json(join(folder, `${other}.json`));
}
let differences = 0;
for (const [reader, reading] of Object.entries(readings)) {
  for (const sobject of new Set([...Object.keys(reference), ...Object.keys(reading)])) {
    const [ours, theirs] = [digest(reading[sobject]), digest(reference[sobject])];
    if (ours !== theirs) {
      differences += 1;
      console.error(`${sobject} differs\n  ${reader}: ${ours}\n  jsforce: ${theirs}`);
      console.error(`  ${JSON.stringify(difference(reading[sobject], reference[sobject]))}`);
    }
  }
}
for (const [sobject, rows] of Object.entries(reference)) {
  const empty = rows.length === 0;
  differences += empty ? 1 : 0;
  console.log(`${sobject.padEnd(17)} ${empty ? "nothing to compare" : digest(rows).replaceAll(/([0-9a-f]{12})[0-9a-f]{52}/g, "$1")}`);
}
if (differences > 0) {
  console.error(`${differences} difference(s)`);
  process.exit(1);
}
console.log(`${["jsforce", ...others].join(", ")} and unicrm read the same records`);
