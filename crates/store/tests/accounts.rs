//! Linked accounts: made, linked again, listed, removed.

use jiff::Timestamp;
use unicrm_core::{Credentials, ErrorKind, Json, LinkedAccountId, ObjectKind};
use unicrm_store::{AccountStatus, Checkpoint, LinkRequest, ListRequest, PageCommit};

use crate::place::Place;

pub(crate) async fn linking_again_keeps_id_records_and_credentials(place: Place) {
    let (store, first, epoch) = crate::linked(&place).await;
    let secret = Credentials::new().with("refresh_token", "r1".into());
    store.link(LinkRequest::new("acme", "memory").with_credentials(secret.clone())).await.unwrap();
    crate::commit(&*store, epoch, vec![crate::live("003a", "Feig")]).await;
    store.set_status(first.id, AccountStatus::RelinkNeeded).await.unwrap();
    assert_eq!(store.linked_account("acme").await.unwrap().status, AccountStatus::RelinkNeeded);

    let config = Json::parse(r#"{"login_url":"https://acme.my.salesforce.com"}"#).unwrap();
    let again = store.link(LinkRequest::new("acme", "memory").with_config(config.clone())).await.unwrap();
    assert_eq!((again.id, again.status, &again.config), (first.id, AccountStatus::Active, &config));
    assert_eq!(again.created_at, first.created_at);
    assert_eq!(store.credentials(first.id).load().await.unwrap().credentials, secret);
    assert_eq!(store.list(ListRequest::new(ObjectKind::Contact)).await.unwrap().records.len(), 1);
    assert_eq!(store.linked_accounts().await.unwrap(), [again]);
}

pub(crate) async fn a_name_belongs_to_one_provider(place: Place) {
    let (store, ..) = crate::linked(&place).await;
    let error = store.link(LinkRequest::new("acme", "salesforce")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("memory") && error.advice().is_some());
    for name in ["", " acme", "a\nb", &"x".repeat(201)] {
        let error = store.link(LinkRequest::new(name, "memory")).await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{name:?}");
    }
}

pub(crate) async fn an_account_is_found_by_name_or_id_and_an_error_names_those_that_there_are(place: Place) {
    let empty = place.open().await;
    assert!(empty.linked_account("x").await.unwrap_err().advice().is_some_and(|a| a.contains("unicrm link")));
    let (store, account, _) = crate::linked(&place).await;
    let other = store.link(LinkRequest::new("Łódź & co", "memory")).await.unwrap();
    assert_eq!(store.linked_account("acme").await.unwrap(), account);
    assert_eq!(store.linked_account(&other.id.to_string()).await.unwrap(), other);
    let error = store.linked_account("Acme").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.advice().is_some_and(|advice| advice.contains("acme, Łódź & co")), "{error:?}");
}

pub(crate) async fn unlinking_removes_everything_of_it_and_nothing_else(place: Place) {
    let (store, account, epoch) = crate::linked(&place).await;
    let other = store.link(LinkRequest::new("other", "memory")).await.unwrap();
    let other_epoch = store.begin_epoch(other.id).await.unwrap();
    for (epoch, secret) in [(epoch, "a"), (other_epoch, "b")] {
        let page = PageCommit::new(epoch, ObjectKind::Contact, vec![crate::live("003a", "Feig")]);
        store.commit_page(page.with_checkpoint(Checkpoint::of(&1))).await.unwrap();
        let credentials = Credentials::new().with("token", secret.into());
        store.credentials(epoch.linked_account).compare_and_swap(0, credentials).await.unwrap();
    }
    store.unlink(account.id).await.unwrap();
    assert_eq!(store.linked_accounts().await.unwrap(), std::slice::from_ref(&other));
    assert_eq!(store.counts(None).await.unwrap()[&ObjectKind::Contact].live, 1);
    assert_eq!(store.credentials(other.id).load().await.unwrap().version, 1);
    for error in [
        store.unlink(account.id).await.unwrap_err(),
        store.credentials(account.id).load().await.unwrap_err(),
        store.checkpoint(account.id, ObjectKind::Contact).await.unwrap_err(),
        store.commit_page(PageCommit::new(epoch, ObjectKind::Contact, Vec::new())).await.unwrap_err(),
        store.begin_epoch(LinkedAccountId::random()).await.unwrap_err(),
        store.set_status(account.id, AccountStatus::Active).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

pub(crate) async fn the_json_of_an_account_is_what_scripts_rely_on(place: Place) {
    let (store, account, epoch) = crate::linked(&place).await;
    let at: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    store.finish_sync(epoch, at).await.unwrap();
    let json = serde_json::to_value(store.linked_accounts().await.unwrap()).unwrap();
    let first = &json[0];
    assert_eq!(first["id"], account.id.to_string());
    assert_eq!((&first["name"], &first["provider"]), (&"acme".into(), &"memory".into()));
    assert_eq!((&first["status"], &first["last_sync"]), (&"active".into(), &"2026-11-22T10:00:00Z".into()));
}
