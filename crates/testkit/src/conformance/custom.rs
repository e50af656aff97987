//! The cases of custom objects.

use std::collections::{BTreeMap, BTreeSet};

use unicrm_core::{
    Capability, CustomObject, CustomOperation, CustomRead, CustomRow, CustomWrite, ErrorKind, Json, Next,
    ObjectKind, Outcome, OutcomeStatus, Provider, RemoteId, Scope, compute_id,
};

use super::{Harness, assert_unsupported};

/// A class of custom objects in the upstream, for the suite to write to.
#[derive(Clone, Debug)]
pub struct CustomSample {
    /// The class, by the remote's own name.
    pub class: String,
    /// A field of it that keeps text as it is written.
    pub text: String,
    /// A field of it that points at accounts.
    pub lookup: String,
    /// An account of the upstream.
    pub account: RemoteId,
}

/// The sample, or none when nothing is declared: then everything must answer `Unsupported`.
async fn sample<H: Harness>(harness: &H) -> Option<CustomSample> {
    let provider = harness.provider();
    let declared = provider.capabilities().custom_objects();
    for (capability, operation) in [
        (Capability::Create, CustomOperation::create("None", BTreeMap::new())),
        (Capability::Delete, CustomOperation::delete("None", "none")),
    ] {
        if !declared.contains(capability) {
            let report = provider.custom_write(CustomWrite::new([operation])).await.expect("a report");
            let error = report.outcomes[0].error().cloned();
            assert_unsupported("a write of custom objects", error.map_or(Ok(()), Err));
        }
    }
    if !declared.contains(Capability::Read) {
        assert_unsupported("reading custom objects", provider.custom_read(CustomRead::all("None")).await);
    }
    if !declared.contains(Capability::Describe) {
        assert_unsupported("listing classes", provider.custom_classes().await);
        assert_unsupported("describing a class", provider.custom_class("None").await);
    }
    let all = [Capability::Describe, Capability::Read, Capability::ReadByIds, Capability::Create];
    if !all.into_iter().all(|capability| declared.contains(capability)) {
        return None;
    }
    Some(harness.custom_sample().await.expect("a provider with custom objects has a sample of them"))
}

async fn write_one(provider: &dyn Provider, operation: CustomOperation) -> Outcome {
    let report = provider.custom_write(CustomWrite::new([operation])).await.expect("a report");
    assert_eq!(report.outcomes.len(), 1);
    let outcome = report.outcomes.into_iter().next().expect("an outcome");
    assert!(outcome.is_done(), "{outcome:?}");
    outcome
}

async fn create(provider: &dyn Provider, sample: &CustomSample, text: &str) -> RemoteId {
    let fields = BTreeMap::from([(sample.text.clone(), Json::text(text))]);
    let outcome = write_one(provider, CustomOperation::create(&sample.class, fields)).await;
    assert!(matches!(outcome.status, OutcomeStatus::Created), "{outcome:?}");
    outcome.remote_id.expect("the id of the new record")
}

async fn read_one(provider: &dyn Provider, class: &str, id: &RemoteId) -> Option<CustomObject> {
    let page = provider.custom_read(CustomRead::new(class, Scope::Ids(vec![id.clone()]))).await;
    let page = page.expect("a page");
    assert_eq!(page.rows.len(), 1, "each id is answered for, once");
    match page.rows.into_iter().next() {
        Some(CustomRow::Live(object)) => Some(object),
        Some(CustomRow::Gone { .. }) => None,
        other => panic!("{other:?}"),
    }
}

/// The classes are listed, and each can be described: fields and association types.
pub async fn custom_classes_are_listed_and_described<H: Harness>() {
    let harness = H::start().await;
    let Some(sample) = sample(&harness).await else { return };
    let provider = harness.provider();
    let classes = provider.custom_classes().await.expect("the classes");
    let listed = classes.iter().find(|class| class.remote_id == sample.class).expect("the sample's class");
    let class = provider.custom_class(&sample.class).await.expect("the class");
    assert_eq!(class.id, listed.id);
    assert!(class.field(&sample.text).is_some(), "{:?}", class.fields);
    let association = class.association_type(&sample.lookup).expect("the association type");
    assert_eq!(association.target_object_classes[0].object, Some(ObjectKind::Account));
    let error = provider.custom_class("NoSuchClass").await.expect_err("a class that is not there");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

/// What is written can be read back, by field and as an association; a deleted record is gone.
pub async fn custom_objects_read_back_as_written<H: Harness>() {
    let harness = H::start().await;
    let Some(sample) = sample(&harness).await else { return };
    let provider = harness.provider();
    let id = create(&*provider, &sample, "as written").await;
    let made = read_one(&*provider, &sample.class, &id).await.expect("the new record");
    assert_eq!(made.object_class, sample.class);
    assert_eq!(made.fields[&sample.text], Json::text("as written"));
    assert!(made.associations.iter().all(|association| association.remote_key_name != sample.lookup));

    let target = Some(sample.account.clone());
    write_one(&*provider, CustomOperation::associate(&sample.class, id.clone(), &sample.lookup, target))
        .await;
    let tied = read_one(&*provider, &sample.class, &id).await.expect("the record");
    assert_eq!((tied.id, &tied.fields[&sample.text]), (made.id, &Json::text("as written")));
    let ties = &tied.associations;
    let tie = ties.iter().find(|tie| tie.remote_key_name == sample.lookup).expect("the association");
    let account = compute_id(harness.linked_account(), ObjectKind::Account, sample.account.as_str());
    assert_eq!((tie.source_object, tie.target_object), (made.id, Some(account)));

    write_one(&*provider, CustomOperation::associate(&sample.class, id.clone(), &sample.lookup, None)).await;
    let free = read_one(&*provider, &sample.class, &id).await.expect("the record");
    assert!(free.associations.iter().all(|tie| tie.remote_key_name != sample.lookup));

    for _ in 0..2 {
        write_one(&*provider, CustomOperation::delete(&sample.class, id.clone())).await;
        assert!(read_one(&*provider, &sample.class, &id).await.is_none(), "it is gone");
    }
}

/// Every record of a class is shown, whatever the size of pages; a token is good for a new connection.
pub async fn custom_pages_show_every_record<H: Harness>() {
    let harness = H::start().await;
    let Some(sample) = sample(&harness).await else { return };
    let provider = harness.provider();
    let mut made = BTreeSet::new();
    for number in 0..5 {
        made.insert(create(&*provider, &sample, &format!("number {number}")).await);
    }
    for size in [1, 2, 3, 2_000] {
        let mut shown = BTreeSet::new();
        let mut read = CustomRead::all(&sample.class).page_size(size);
        loop {
            let page = harness.reconnect().await.custom_read(read.clone()).await.expect("a page");
            assert!(page.rows.len() <= size as usize);
            for row in page.rows {
                if let CustomRow::Live(object) = row {
                    assert!(shown.insert(object.remote_id), "a record is shown twice");
                }
            }
            match page.next {
                Next::More(token) => read = read.after(token),
                Next::End(_) => break,
            }
        }
        assert!(made.is_subset(&shown), "pages of {size}: {:?} are missing", made.difference(&shown));
    }
}

/// A field that is not there is a field error that points at it, and the other rows are written.
pub async fn custom_rows_have_their_own_outcomes<H: Harness>() {
    let harness = H::start().await;
    let Some(sample) = sample(&harness).await else { return };
    let provider = harness.provider();
    let row = |field: &str| {
        CustomOperation::create(&sample.class, BTreeMap::from([(field.to_owned(), Json::text("x"))]))
    };
    let rows = [row(&sample.text), row("No_Such_Field__c"), row(&sample.text)];
    let outcomes = provider.custom_write(CustomWrite::new(rows)).await.expect("a report").outcomes;
    assert_eq!(outcomes.iter().map(Outcome::is_done).collect::<Vec<_>>(), [true, false, true]);
    let error = outcomes[1].error().expect("an error");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.fields()[0].pointer, "/fields/No_Such_Field__c");
}
