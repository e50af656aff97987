//! Refusals, word for word.

use super::*;
use crate::schema::visibility::{FieldAccess, ObjectAccess};

fn code_and_end(error: &SalesforceError) -> (&str, &str) {
    (error.code.as_str(), error.message.lines().last().unwrap_or_default())
}

#[test]
fn unknown_names() {
    let org = Org::new();
    let error = org.error("SELECT Id, Foo__c FROM Contact");
    assert_eq!(error.code, "INVALID_FIELD");
    assert_eq!(
        error.message,
        "\nSELECT Id, Foo__c FROM Contact\n           ^\nERROR at Row:1:Column:12\nNo such column 'Foo__c' on entity \
         'Contact'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field \
         name. Please reference your WSDL or the describe call for the appropriate names."
    );
    let error = org.error("SELECT Id FROM Nope");
    assert_eq!(error.code, "INVALID_TYPE");
    assert!(error.message.starts_with("\nSELECT Id FROM Nope\n               ^\nERROR at Row:1:Column:16\nsObject type 'Nope' is not supported. "));
    let error = org.error("SELECT Nope.Name FROM Contact");
    assert_eq!(error.code, "INVALID_FIELD");
    assert!(error.message.contains("\nDidn't understand relationship 'Nope' in field path. "));
    let error = org.error("SELECT Id, (SELECT Id FROM Nopes) FROM Contact");
    assert_eq!(error.code, "INVALID_TYPE");
    assert!(error.message.contains("\nDidn't understand relationship 'Nopes' in FROM part of query call. "));
    assert!(
        org.error("SELECT Owner.Subject FROM Task")
            .message
            .contains("No such column 'Subject' on entity 'Name'.")
    );
}

#[test]
fn what_the_user_may_not_see_does_not_exist() {
    let mut org = Org::new();
    org.visibility.set_field("Contact", "Email", FieldAccess::NONE);
    org.visibility.set_field("Contact", "AccountId", FieldAccess::NONE);
    org.visibility.set_object("Lead", ObjectAccess::NONE);
    assert!(
        org.error("SELECT Email FROM Contact")
            .message
            .contains("No such column 'Email' on entity 'Contact'.")
    );
    assert!(org.error("SELECT Id FROM Contact WHERE Email = 'a'").message.contains("No such column 'Email'"));
    assert!(
        org.error("SELECT Account.Name FROM Contact")
            .message
            .contains("relationship 'Account' in field path")
    );
    assert!(
        org.error("SELECT (SELECT Id FROM Contacts) FROM Account")
            .message
            .contains("relationship 'Contacts'")
    );
    assert_eq!(org.error("SELECT Id FROM Lead").code, "INVALID_TYPE");
    assert_eq!(
        org.error("SELECT Id FROM Account WHERE Id IN (SELECT ConvertedAccountId FROM Lead)").code,
        "INVALID_TYPE"
    );
}

#[test]
fn filters_that_cannot_be() {
    let org = Org::new();
    for (soql, code, end) in [
        ("Description = 'x'", "INVALID_FIELD", "field 'Description' can not be filtered in a query call"),
        (
            "CreatedDate > '2020-01-01'",
            "INVALID_FIELD",
            "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "CreatedDate > 2020-01-01",
            "INVALID_FIELD",
            "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "CloseDate = 2020-01-01T00:00:00Z",
            "INVALID_FIELD",
            "value of filter criterion for field 'CloseDate' must be of type date and should not be enclosed in quotes",
        ),
        (
            "Amount = '5'",
            "INVALID_FIELD",
            "value of filter criterion for field 'Amount' must be of type double and should not be enclosed in quotes",
        ),
        (
            "Name = 5",
            "INVALID_FIELD",
            "value of filter criterion for field 'Name' must be of type string and should be enclosed in quotes",
        ),
        (
            "IsWon = 'true'",
            "INVALID_FIELD",
            "value of filter criterion for field 'IsWon' must be of type boolean and should not be enclosed in quotes",
        ),
        ("Id = 'xyz'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: xyz"),
        ("AccountId IN ('xyz')", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: xyz"),
        ("Id LIKE '006%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on id field"),
        ("Name INCLUDES ('a')", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on string field"),
        ("Name = :name", "MALFORMED_QUERY", "Bind variables only allowed in Apex code"),
        (
            "Name = 'a' OR Id IN (SELECT OpportunityId FROM OpportunityContactRole)",
            "MALFORMED_QUERY",
            "Semi join sub-selects are not allowed with the 'OR' operator",
        ),
        (
            "Id IN (SELECT OpportunityId FROM OpportunityContactRole WHERE ContactId IN (SELECT Id FROM Contact))",
            "MALFORMED_QUERY",
            "Nesting of semi join sub-selects is not supported",
        ),
        (
            "Id IN (SELECT Id FROM Opportunity)",
            "MALFORMED_QUERY",
            "The inner and outer selects should not be on the same object type",
        ),
    ] {
        let error = org.error(&format!("SELECT Id FROM Opportunity WHERE {soql}"));
        assert_eq!(code_and_end(&error), (code, end), "{soql}");
        assert_eq!(error.status, 400);
    }
}

#[test]
fn queries_that_cannot_be() {
    let org = Org::new();
    for (soql, code, end) in [
        ("SELECT Id, Name, ID FROM Account", "INVALID_FIELD", "duplicate field selected: Id"),
        (
            "SELECT Id FROM Account ORDER BY Description",
            "MALFORMED_QUERY",
            "field 'Description' can not be sorted in a query call",
        ),
        (
            "SELECT Id FROM Account LIMIT 1 OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Maximum SOQL offset allowed is 2000",
        ),
        (
            "SELECT FIELDS(ALL) FROM Account",
            "MALFORMED_QUERY",
            "The SOQL FIELDS function must have a LIMIT of at most 200",
        ),
        ("SELECT Name n FROM Account", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
        (
            "SELECT Name, COUNT(Id) FROM Account",
            "MALFORMED_QUERY",
            "Field must be grouped or aggregated: Name",
        ),
        (
            "SELECT SUM(Name) FROM Account",
            "MALFORMED_QUERY",
            "field Name does not support aggregate operator SUM",
        ),
        (
            "SELECT Description, COUNT(Id) FROM Account GROUP BY Description",
            "MALFORMED_QUERY",
            "field 'Description' can not be grouped in a query call",
        ),
        (
            "SELECT (SELECT COUNT(Id) FROM Contacts) FROM Account",
            "MALFORMED_QUERY",
            "only root queries support aggregate expressions",
        ),
        (
            "SELECT ContentDocumentId FROM ContentDocumentLink",
            "MALFORMED_QUERY",
            "Implementation restriction: ContentDocumentLink requires a filter by a single Id on ContentDocumentId or \
             LinkedEntityId using the equals operator or multiple Id's using the IN operator.",
        ),
        ("SELECT Id FROM Account ALL ROWS", "MALFORMED_QUERY", "ALL ROWS not allowed in this context"),
    ] {
        assert_eq!(code_and_end(&org.error(soql)), (code, end), "{soql}");
    }
    let id = salesforce_id("003", 1);
    for filter in
        [format!("LinkedEntityId = '{id}'"), format!("ContentDocumentId IN ('{id}') AND ShareType = 'V'")]
    {
        org.answer(&format!("SELECT Id FROM ContentDocumentLink WHERE {filter}"));
    }
    let error = org.error(&format!(
        "SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '{id}' OR ShareType = 'V'"
    ));
    assert_eq!(error.code, "MALFORMED_QUERY");
}
