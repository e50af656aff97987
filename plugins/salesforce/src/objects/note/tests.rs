use super::*;
use crate::objects::FieldFacts;
use crate::objects::tests::{
    create, cx, decode, linked_account, patch, read, refused, remote_fields, rich_cx, update, update_blindly,
    with_field, writable,
};
use crate::read::source::Source;

const CLASSIC: &str = "0026g00000D3CNyEAN";
const ENHANCED: &str = "0696g00000D3CNyEAN";

fn note(json: &str) -> NotePatch {
    patch(json)
}

fn enhanced(members: &str, extras: Extras<'_>) -> Note {
    let json = format!("{{\"Id\":\"{ENHANCED}\",{members}}}");
    let record = decode(Source::ContentNote, &json, extras, &cx()).expect(members).record;
    unicrm_core::Object::from_record(record).expect("a note")
}

const ALL: &str = r#"{
        "content": "Hiring\nK-LINK is <hiring>!", "owner": {"remote_id": "0056g000004AiJXAA0"},
        "contact": {"remote_id": "0036g00000BdtE7AAJ"}, "account": {"remote_id": "0016g00000CYNqKAAX"},
        "opportunity": {"remote_id": "0066g00000CYNqKAAX"}, "remote_updated_at": "2022-02-10T00:00:00Z",
        "remote_created_at": "2021-11-10T00:00:00Z", "note_url": "x", "remote_was_deleted": true,
        "remote_fields": [{"remote_field_class": "Note.IsPrivate", "value": true}]
    }"#;

#[test]
fn a_classic_note_has_one_parent() {
    insta::assert_snapshot!(create(note(ALL), &cx()));
    let without = r#"{"content":"a","contact":{"remote_id":"0036g00000BdtE7AAJ"},"account":{"remote_id":"0016g00000CYNqKAAX"}}"#;
    let lines = "Note.Title = \"a\"\nNote.ParentId = \"0036g00000BdtE7AAJ\"\n\
                     /account left_out: a classic note has one parent: 0036g00000BdtE7AAJ is it, and 0016g00000CYNqKAAX is not\n";
    assert_eq!(create(note(without), &cx()), lines);
    let lines = "Note.Title = \"a\"\n/contact refused: a classic note needs a parent: an opportunity, a contact or an account\n";
    assert_eq!(create(note(r#"{"content":"a"}"#), &cx()), lines);
    let under = |parent: &str| {
        let class = r#""remote_field_class":"Note.ParentId""#;
        create(
            note(&format!("{{\"content\":\"a\",\"remote_fields\":[{{{class},\"value\":\"{parent}\"}}]}}")),
            &cx(),
        )
    };
    // Where the unified note has a place for the parent, that is where it is written; a lead has none.
    assert!(under("0036g00000BdtE7AAJ").contains("ParentId belongs to a unified field"));
    let of_a_lead = under("00Q6g00000D3CNyEAN");
    assert!(of_a_lead.contains("Note.ParentId = \"00Q6g00000D3CNyEAN\""), "{of_a_lead}");
    assert!(!of_a_lead.contains("refused"), "{of_a_lead}");
}

#[test]
fn an_enhanced_note_is_tied_to_all() {
    let mut cx = cx();
    cx.org.enhanced_notes = true;
    insta::assert_snapshot!(create(note(ALL), &cx));
    let before = || {
        enhanced(
            r#""Title":"a""#,
            Extras { links: &["0036g00000BdtE7AAJ", "0016g00000CYNqKAAX"], ..Extras::default() },
        )
    };
    let cases = [
        (
            r#"{"contact":null,"opportunity":{"remote_id":"0066g00000CYNqKAAX"}}"#,
            "ContentDocumentLink + [\"0066g00000CYNqKAAX\"] - [\"0036g00000BdtE7AAJ\"]\n",
        ),
        (r#"{"contact":{"remote_id":"0036g00000BdtE7AAJ"}}"#, ""),
        (
            r#"{"contact":{"remote_id":"0036g00000BdtE8AAX"}}"#,
            "ContentDocumentLink + [] - [\"0036g00000BdtE7AAJ\"]\n/contact refused: 0036g00000BdtE8AAX is not an id that begins with 003\n",
        ),
    ];
    for (json, lines) in cases {
        assert_eq!(update(before(), note(json), &cx), lines, "{json}");
    }
}

#[test]
fn a_note_has_text() {
    let empty = "/content refused: a note cannot be empty: delete it instead\n";
    let before: Note = read(
        Source::Note,
        &format!(
            "{{\"Id\":\"{CLASSIC}\",\"Title\":\"a\",\"Body\":\"b\",\"ParentId\":\"0036g00000BdtE7AAJ\"}}"
        ),
    );
    let cases = [
        (r#"{"content":null}"#, empty),
        (r#"{"content":" \n"}"#, empty),
        (r#"{"content":" a\r\nb"}"#, ""),
        (r#"{"content":"c"}"#, "Note.Title = \"c\"\nNote.Body = null\n"),
        (r#"{"content":"a\nc"}"#, "Note.Title = \"a\"\nNote.Body = \"c\"\n"),
        (r#"{"owner":{"remote_id":"0056g000004AiJXAA0"}}"#, "Note.OwnerId = \"0056g000004AiJXAA0\"\n"),
        (r#"{"contact":{"remote_id":"0036g00000BdtE7AAJ"},"account":null}"#, ""),
        (
            r#"{"contact":null,"account":{"remote_id":"0016g00000CYNqKAAX"}}"#,
            "Note.ParentId = \"0016g00000CYNqKAAX\"\n",
        ),
    ];
    for (json, lines) in cases {
        assert_eq!(update(before.clone(), note(json), &cx()), lines, "{json}");
    }
    assert!(
        create(note(r#"{"contact":{"remote_id":"0036g00000BdtE7AAJ"}}"#), &cx())
            .contains("/content refused: a note needs text\n")
    );
    let blind = update_blindly(ENHANCED, note(r#"{"content":"a\n\tb & c"}"#), &cx());
    // <br> is not needed: the title holds the first line. The tab is kept by a character reference.
    assert_eq!(
        blind,
        format!(
            "ContentNote.Title = \"a\"\nContentNote.Content = \"{}\"\n",
            STANDARD.encode("a<br>&#9;b &amp; c")
        )
    );
}

#[test]
fn the_title_is_as_long_as_the_field() {
    let long = "x".repeat(300);
    let json = format!("{{\"content\":\"{long}\",\"contact\":{{\"remote_id\":\"0036g00000BdtE7AAJ\"}}}}");
    let title = |cx: &MapContext| {
        let lines = create(note(&json), cx);
        lines.lines().next().map_or(0, |line| line.matches('x').count())
    };
    assert_eq!(title(&cx()), 79);
    assert_eq!(title(&rich_cx()), 254);
    let short = FieldFacts { length: 10, ..writable("Note", "Title") };
    assert_eq!(title(&with_field(cx(), "Note", "Title", short)), 9);
}

#[test]
fn the_body_comes_from_wherever_it_is() {
    let base64 = STANDARD.encode("<p>one &amp; two</p>");
    let html = Extras { body: Some("<b>three</b>"), ..Extras::default() };
    let path = "/services/data/v66.0/sobjects/ContentNote/x/Content";
    let cases = [
        (format!(r#""Title":"T","Content":"{base64}""#), Extras::default(), "T\none & two"),
        (format!(r#""Title":"T","Content":"{path}","TextPreview":"pre""#), Extras::default(), "T\npre"),
        (format!(r#""Title":"T","Content":"{path}","TextPreview":"pre""#), html, "T\nthree"),
        (r#""TextPreview":"pre""#.to_owned(), Extras::default(), "pre"),
    ];
    for (members, extras, content) in cases {
        assert_eq!(enhanced(&members, extras).content.as_deref(), Some(content), "{members}");
    }
    let bad = refused(Source::ContentNote, &format!("{{\"Id\":\"{ENHANCED}\",\"Content\":\"!\"}}"));
    assert_eq!(bad, (Some("Content"), "expected the base64 of HTML".to_owned()));
}

#[test]
fn links_fill_their_places_and_the_rest_is_kept() {
    let links = &[
        "0056g000004AiJXAA0",
        "0036g00000BdtE7AAJ",
        "0036g00000BdtE7AAJ",
        "5006g00000CYNqKAAX",
        "5006g00000CYNqKAAX",
    ];
    let tied = enhanced(
        r#""OwnerId":"0056g000004AiJXAA0","ContentDocumentLinks":{"records":[{"LinkedEntityId":"0066g00000CYNqKAAX"}]}"#,
        Extras { links, ..Extras::default() },
    );
    assert_eq!(tied.contact, Some(Ref::remote(linked_account(), "0036g00000BdtE7AAJ")));
    assert_eq!(tied.opportunity, Some(Ref::remote(linked_account(), "0066g00000CYNqKAAX")));
    let kept = ("ContentDocumentLinks".to_owned(), "[\"5006g00000CYNqKAAX\"]".to_owned());
    assert_eq!(remote_fields(&tied), [kept]);
    let lead: Note =
        read(Source::Note, &format!("{{\"Id\":\"{CLASSIC}\",\"ParentId\":\"00Q6g00000D3CNyEAN\"}}"));
    assert_eq!(remote_fields(&lead), [("ParentId".to_owned(), "\"00Q6g00000D3CNyEAN\"".to_owned())]);
    let deal: Note =
        read(Source::Note, &format!("{{\"Id\":\"{CLASSIC}\",\"ParentId\":\"0066g00000CYNqKAAX\"}}"));
    assert_eq!(deal.opportunity, Some(Ref::remote(linked_account(), "0066g00000CYNqKAAX")));
}

#[test]
fn a_change_that_names_no_tie_leaves_the_ties_alone() {
    let classic = |members: &str| -> Note {
        read(Source::Note, &format!("{{\"Id\":\"{CLASSIC}\",\"Title\":\"a\",{members}}}"))
    };
    // The note of a case: nothing unified could be its parent, and none is asked for.
    let of_a_case = || classic(r#""ParentId":"5006g00000BdtE7AAJ""#);
    assert_eq!(
        update(of_a_case(), note(r#"{"content":"b"}"#), &cx()),
        "Note.Title = \"b\"\nNote.Body = null\n"
    );
    assert_eq!(update(of_a_case(), note(r#"{"contact":null}"#), &cx()), "");
    // Nor by who does not have the note.
    let lines = update_blindly(CLASSIC, note(r#"{"content":"b"}"#), &cx());
    assert!(!lines.contains("refused") && !lines.contains("ParentId"), "{lines}");
    // Its parent survives when the note is written out whole.
    let remote = encode(&of_a_case(), &cx());
    assert_eq!(remote.get("ParentId").map(Json::as_str), Some("\"5006g00000BdtE7AAJ\""));

    // Who does not have the note cannot say what it is tied to, and changes its text alone.
    let mut cx = cx();
    cx.org.enhanced_notes = true;
    let lines = update_blindly(ENHANCED, note(r#"{"content":"b"}"#), &cx);
    assert!(!lines.contains("ContentDocumentLink"), "{lines}");
}
