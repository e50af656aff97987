"""tap-salesforce (Singer), unmodified, against the emulator: discovers, reads everything over REST, and prints the records
as {sObject: [{id, deleted}]}, deleted ones included.

    python tap_salesforce_read.py WORK_FOLDER

It knows no host but those of Salesforce: HTTPS_PROXY leads from there to the emulator, and REQUESTS_CA_BUNDLE names the
authority to trust. How to sign in comes from SF_CLIENT_ID, SF_CLIENT_SECRET and SF_REFRESH_TOKEN; what is read comes from
reads.json.
"""

import json
import os
import pathlib
import subprocess
import sys

# Where a reading leaves out some rows, the tap reads them all the same.
ROWS = {"Event": lambda row: not row["IsChild"]}


def tap(work, *arguments):
    command = [pathlib.Path(sys.executable).with_name("tap-salesforce"), "--config", work / "config.json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the tap failed:\n{done.stderr[-4000:]}")
    return done.stdout


def select(catalog, wanted):
    """Selects the wanted streams with the fields that are compared."""
    streams = [stream for stream in catalog["streams"] if stream["tap_stream_id"] in wanted]
    for stream in streams:
        for entry in stream["metadata"]:
            field = entry["breadcrumb"][-1] if entry["breadcrumb"] else None
            entry["metadata"]["selected"] = field in (None, "IsChild", "IsDeleted", wanted[stream["tap_stream_id"]])
    return {"streams": streams}


def read(work):
    config = {
        "client_id": os.environ["SF_CLIENT_ID"],
        "client_secret": os.environ["SF_CLIENT_SECRET"],
        "refresh_token": os.environ["SF_REFRESH_TOKEN"],
        "start_date": "2000-01-01T00:00:00Z",
        "api_type": "REST",
        "select_fields_by_default": "false",
    }
    (work / "config.json").write_text(json.dumps(config))
    reads = json.loads(pathlib.Path(__file__).with_name("reads.json").read_text())
    wanted = {one["sobject"]: one["id"] for one in reads}
    catalog = select(json.loads(tap(work, "--discover")), wanted)
    (work / "catalog.json").write_text(json.dumps(catalog))
    report = {sobject: [] for sobject in wanted}
    for line in tap(work, "--properties", work / "catalog.json").splitlines():
        message = json.loads(line)
        if message["type"] == "RECORD":
            sobject, row = message["stream"], message["record"]
            if ROWS.get(sobject, lambda _: True)(row):
                report[sobject].append({"id": row[wanted[sobject]], "deleted": row.get("IsDeleted", False)})
    return report


if __name__ == "__main__":
    print(json.dumps(read(pathlib.Path(sys.argv[1]))))
