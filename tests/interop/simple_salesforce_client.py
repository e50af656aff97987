"""simple-salesforce, unmodified, against the emulator.

    python simple_salesforce_client.py check   signs in, describes, reads, writes; fails on the first thing that is not
                                               as Salesforce has it
    python simple_salesforce_client.py read    prints the records as {sObject: [{id, deleted}]}, deleted ones included

It knows no host but those of Salesforce: HTTPS_PROXY leads from there to the emulator, and REQUESTS_CA_BUNDLE names the
authority to trust. How to sign in comes from SF_CLIENT_ID, SF_CLIENT_SECRET, SF_USERNAME, SF_PASSWORD and
SF_SECURITY_TOKEN; what is read comes from reads.json.
"""

import csv
import io
import json
import os
import pathlib
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from simple_salesforce import Salesforce, format_soql
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

APP = {"consumer_key": os.environ["SF_CLIENT_ID"], "consumer_secret": os.environ["SF_CLIENT_SECRET"]}
USER = {"username": os.environ["SF_USERNAME"], "password": os.environ["SF_PASSWORD"]}
TOKEN = os.environ["SF_SECURITY_TOKEN"]
VERSION = "62.0"


def sign_in(**given):
    return Salesforce(version=VERSION, **given)


def refused(error, call, code=None):
    """Runs a call that has to fail, and gives what Salesforce said."""
    try:
        call()
    except error as problem:
        if code is not None:
            assert [row["errorCode"] for row in problem.content] == [code], problem.content
        return problem
    raise AssertionError(f"{error.__name__} expected")


def signs_in(_):
    by_soap = sign_in(**USER, security_token=TOKEN)
    by_soap_of_trusted_network = sign_in(**USER, organizationId=by_soap.query("SELECT Id FROM Organization")["records"][0]["Id"])
    by_password = sign_in(**USER, **APP)
    by_client_credentials = sign_in(**APP, domain="acme.my")
    by_session = sign_in(session_id=by_soap.session_id, instance_url=f"https://{by_soap.sf_instance}")
    users = {
        client.oauth2("userinfo", method="GET")["user_id"]
        for client in (by_soap, by_soap_of_trusted_network, by_password, by_client_credentials, by_session)
    }
    assert len(users) == 1, users
    wrong = {"username": USER["username"], "password": "wrong"}
    assert refused(SalesforceAuthenticationFailed, lambda: sign_in(**wrong, security_token=TOKEN)).code == "INVALID_LOGIN"
    refused(SalesforceAuthenticationFailed, lambda: sign_in(**wrong, **APP))
    # A session that ended is renewed, and the call repeated.
    by_soap.session.post(f"https://{by_soap.sf_instance}/services/oauth2/revoke", data={"token": by_soap.session_id})
    ended = by_soap.session_id
    assert by_soap.query("SELECT COUNT() FROM User")["done"]
    assert by_soap.session_id != ended


def describes(sf):
    assert any(row["name"] == "Contact" and row["queryable"] for row in sf.describe()["sobjects"])
    fields = {field["name"]: field for field in sf.Contact.describe()["fields"]}
    assert (fields["LastName"]["type"], fields["LastName"]["length"], fields["LastName"]["nillable"]) == ("string", 80, False)
    assert sf.Contact.metadata()["objectDescribe"]["keyPrefix"] == "003"
    assert sf.is_sandbox() is False


def counts_calls(sf):
    limit = sf.limits()["DailyApiRequests"]
    usage = sf.api_usage["api-usage"]
    assert (usage.total, usage.total - usage.used) == (limit["Max"], limit["Remaining"])
    sf.query("SELECT COUNT() FROM User")
    assert sf.api_usage["api-usage"].used == usage.used + 1


def reads_pages(sf):
    soql = "SELECT Id FROM Contact"
    first = sf.query(soql)
    assert not first["done"], "seed the org with more than 2,000 contacts"
    rest = first["totalSize"] - 2000
    assert len(first["records"]) == 2000
    assert len(sf.query_more(first["nextRecordsUrl"], True)["records"]) == rest
    assert len(sf.query_more(first["nextRecordsUrl"].rsplit("/", 1)[1])["records"]) == rest
    live = {row["Id"] for row in sf.query_all(soql)["records"]}
    everything = {row["Id"] for row in sf.query_all_iter(soql, include_deleted=True)}
    deleted = {row["Id"] for row in sf.query_all(f"{soql} WHERE IsDeleted = true", include_deleted=True)["records"]}
    assert len(live) == first["totalSize"] and deleted
    assert live | deleted == everything and not live & deleted


def finds(sf):
    names = ["O'Neil", 'quote"d', "back\\slash", "100%", "under_score", "line\nbreak", "Ärger 漢字 😀"]
    for name in names:
        made = sf.Contact.create({"LastName": name, "Email": "finder@example.com"})["id"]
        soql = format_soql("SELECT Id FROM Contact WHERE LastName = {} AND Email = {}", name, "finder@example.com")
        assert [row["Id"] for row in sf.query(soql)["records"]] == [made], name
    literal = format_soql("SELECT Id FROM Contact WHERE Email = 'finder@example.com' AND LastName LIKE '%{:like}%'", "_")
    assert sf.query(literal)["totalSize"] == 1
    some = format_soql("SELECT Id FROM Contact WHERE Email = 'finder@example.com' AND LastName IN {}", names[:3])
    assert sf.query(some)["totalSize"] == 3
    for row in sf.query_all_iter("SELECT Id FROM Contact WHERE Email = 'finder@example.com'"):
        assert sf.Contact.delete(row["Id"]) == 204


def keeps_values(sf):
    """Money, dates and times come back as they went."""
    deal = {"Name": "Exact", "StageName": "Prospecting", "CloseDate": "2026-02-28", "Amount": "1234567890123.45"}
    made = sf.Opportunity.create(deal)["id"]
    exact = sign_in(**APP, domain="acme.my", parse_float=Decimal)
    back = exact.query(f"SELECT Amount, CloseDate, CreatedDate FROM Opportunity WHERE Id = '{made}'")["records"][0]
    assert (back["Amount"], back["CloseDate"]) == (Decimal(deal["Amount"]), deal["CloseDate"])
    created = datetime.strptime(back["CreatedDate"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert abs(datetime.now(timezone.utc) - created) < timedelta(minutes=5)
    event = {"Subject": "Meeting", "StartDateTime": "2026-03-01T09:30:00+02:00", "DurationInMinutes": 45, "WhatId": made}
    meeting = sf.Event.get(sf.Event.create(event)["id"])
    assert meeting["StartDateTime"] == "2026-03-01T07:30:00.000+0000"
    assert meeting["EndDateTime"] == "2026-03-01T08:15:00.000+0000"
    sf.Opportunity.delete(made)


def writes(sf):
    made = sf.Contact.create({"LastName": "Writer", "Email": "writer@example.com"})
    assert made["success"] and made["errors"] == []
    assert sf.Contact.update(made["id"], {"FirstName": "Wilma"}) == 204
    assert sf.Contact.get(made["id"])["Name"] == "Wilma Writer"
    assert sf.Contact.get_by_custom_id("Email", "writer@example.com")["Id"] == made["id"]
    assert sf.Contact.upsert("Email/writer@example.com", {"FirstName": "Wanda"}) == 200
    assert sf.Contact.upsert("Email/writer2@example.com", {"LastName": "Second"}) == 201
    assert sf.Contact.get(made["id"])["FirstName"] == "Wanda"
    assert sf.Contact.delete(sf.Contact.get_by_custom_id("Email", "writer2@example.com")["Id"]) == 204
    assert sf.Contact.delete(made["id"]) == 204
    refused(SalesforceResourceNotFound, lambda: sf.Contact.get(made["id"]), "ENTITY_IS_DELETED")
    refused(SalesforceResourceNotFound, lambda: sf.Contact.delete(made["id"]), "ENTITY_IS_DELETED")


def composes(sf):
    base = f"/services/data/v{VERSION}"
    steps = [
        {"method": "POST", "url": f"{base}/sobjects/Account", "referenceId": "a", "body": {"Name": "Composed"}},
        {"method": "POST", "url": f"{base}/sobjects/Contact", "referenceId": "c", "body": {"LastName": "C", "AccountId": "@{a.id}"}},
        {"method": "GET", "url": f"{base}/query?q=SELECT+Account.Name+FROM+Contact+WHERE+Id='@{{c.id}}'", "referenceId": "q"},
    ]
    rows = sf.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": steps})["compositeResponse"]
    assert [row["httpStatusCode"] for row in rows] == [201, 201, 200], rows
    assert rows[2]["body"]["records"][0]["Account"]["Name"] == "Composed"
    contact = {"type": "Contact"}
    records = [{"attributes": contact, "LastName": "One"}, {"attributes": contact, "FirstName": "Nobody"}]
    saved = sf.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": records})
    assert [row["success"] for row in saved] == [True, False]
    assert saved[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    sf.restful("composite/sobjects", method="DELETE", params={"ids": f"{saved[0]['id']},{rows[0]['body']['id']}"})
    assert sf.query(f"SELECT Id FROM Contact WHERE Id = '{rows[1]['body']['id']}'")["totalSize"] == 0


def replicates(sf):
    end = datetime.now(timezone.utc)
    start = end - timedelta(days=14)
    deleted = sf.Contact.deleted(start, end)
    everything = {row["Id"]: row["IsDeleted"] for row in sf.query_all_iter("SELECT Id, IsDeleted FROM Contact", include_deleted=True)}
    assert deleted["deletedRecords"], "seed the org with deleted contacts"
    assert all(everything.get(row["id"], True) for row in deleted["deletedRecords"])
    updated = sf.Contact.updated(start, end)
    assert updated["ids"] and not any(everything[one] for one in updated["ids"])


def searches(sf):
    made = sf.Contact.create({"LastName": "Xochiquetzal", "Phone": "+1 415 555 0199"})["id"]
    assert [row["Id"] for row in sf.quick_search("Xochiquetzal")["searchRecords"]] == [made]
    found = sf.search("FIND {Xochi*} IN NAME FIELDS RETURNING Contact(Id, Name), Account(Id)")["searchRecords"]
    assert [(row["attributes"]["type"], row["Name"]) for row in found] == [("Contact", "Xochiquetzal")]
    sf.Contact.delete(made)
    assert sf.quick_search("Xochiquetzal")["searchRecords"] == []


def rows_of(pages):
    return [row for page in pages for row in csv.DictReader(io.StringIO(page, newline=""))]


def loads(sf):
    bulk = sf.bulk2.Contact
    live = sf.query("SELECT COUNT() FROM Contact")["totalSize"]
    pages = list(bulk.query("SELECT Id, Name FROM Contact", max_records=1000, wait=0))
    assert len(pages) == -(-live // 1000), len(pages)
    assert len({row["Id"] for row in rows_of(pages)}) == live
    everything = sf.query_all("SELECT Id FROM Contact", include_deleted=True)["totalSize"]
    assert len(rows_of(bulk.query_all("SELECT Id FROM Contact", wait=0))) == everything
    names = ["Comma, Inc", 'Quote "d"', "Ünï ✓", "NULL", "#N/B"]
    made = bulk.insert(records=[{"LastName": name, "Email": "bulk2@example.com"} for name in [*names, ""]], wait=0)
    assert [(job["numberRecordsProcessed"], job["numberRecordsFailed"]) for job in made] == [(6, 1)]
    results = sf.bulk2.Contact.get_all_ingest_records(made[0]["job_id"])
    assert len(results["successfulRecords"]) == len(names)
    assert results["failedRecords"][0]["sf__Error"].startswith("REQUIRED_FIELD_MISSING")
    back = rows_of(bulk.query("SELECT LastName FROM Contact WHERE Email = 'bulk2@example.com'", wait=0))
    assert sorted(row["LastName"] for row in back) == sorted(names)
    gone = bulk.delete(records=[{"Id": row["sf__Id"]} for row in results["successfulRecords"]], wait=0)
    assert gone[0]["numberRecordsFailed"] == 0


def loads_the_old_way(sf):
    rows = sf.bulk.Contact.insert([{"LastName": "Old", "Email": "bulk3@example.com"}, {"Email": "bulk3@example.com"}])
    assert [row["success"] for row in rows] == [True, False]
    assert rows[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    back = sf.bulk.Contact.query("SELECT Id, LastName FROM Contact WHERE Email = 'bulk3@example.com'", wait=0)
    assert [(row["Id"], row["LastName"]) for row in back] == [(rows[0]["id"], "Old")]
    sf.Contact.delete(rows[0]["id"])


def refuses(sf):
    malformed = SalesforceMalformedRequest
    refused(malformed, lambda: sf.query("SELECT Nope FROM Contact"), "INVALID_FIELD")
    refused(malformed, lambda: sf.query("SELECT Id FROM Nope"), "INVALID_TYPE")
    refused(malformed, lambda: sf.query("SELECT Id FORM Contact"), "MALFORMED_QUERY")
    refused(malformed, lambda: sf.Contact.create({"FirstName": "Nobody"}), "REQUIRED_FIELD_MISSING")
    refused(malformed, lambda: sf.Contact.create({"LastName": "x", "Nope__c": 1}), "INVALID_FIELD")
    refused(malformed, lambda: sf.Contact.create({"LastName": "x", "Email": "no mail"}), "INVALID_EMAIL_ADDRESS")
    refused(malformed, lambda: sf.Opportunity.create({"Name": "x", "StageName": "Prospecting", "CloseDate": "soon"}), "JSON_PARSER_ERROR")
    refused(SalesforceResourceNotFound, lambda: sf.Contact.get("003000000000000AAA"), "NOT_FOUND")
    refused(SalesforceResourceNotFound, lambda: sf.Nope.describe(), "NOT_FOUND")


CHECKS = [
    signs_in,
    describes,
    counts_calls,
    reads_pages,
    finds,
    keeps_values,
    writes,
    composes,
    replicates,
    searches,
    loads,
    loads_the_old_way,
    refuses,
]


def check():
    sf = sign_in(**USER, security_token=TOKEN)
    for one in CHECKS:
        one(sf)
        print(f"ok {one.__name__}", flush=True)


def read():
    sf = sign_in(**APP, domain="acme.my")
    report = {}
    for wanted in json.loads(pathlib.Path(__file__).with_name("reads.json").read_text()):
        fields = f"{wanted['id']}, IsDeleted" if wanted["deletable"] else wanted["id"]
        soql = f"SELECT {fields} FROM {wanted['sobject']} {wanted.get('where', '')}"
        rows = sf.query_all_iter(soql, include_deleted=True)
        report[wanted["sobject"]] = [{"id": row[wanted["id"]], "deleted": row.get("IsDeleted", False)} for row in rows]
    print(json.dumps(report))


if __name__ == "__main__":
    {"check": check, "read": read}[sys.argv[1]]()
