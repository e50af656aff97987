//! Seeds in an org: what was written is what the org answers.

use std::collections::BTreeMap;

use crate::org::Record;
use crate::schema::Schema;
use crate::seed::{SeedPlan, generate};
use crate::{Emulator, Features};

async fn count(emulator: &Emulator, soql: &str) -> u64 {
    number(soql, &emulator.org().query(soql).await.unwrap_or_else(|e| panic!("{soql}: {e}")))
}

/// Deleted and archived rows too.
async fn count_all(emulator: &Emulator, soql: &str) -> u64 {
    number(soql, &emulator.org().query_all(soql).await.unwrap_or_else(|e| panic!("{soql}: {e}")))
}

fn number(soql: &str, rows: &[serde_json::Value]) -> u64 {
    rows.first().and_then(|r| r["n"].as_u64()).unwrap_or_else(|| panic!("{soql}: {rows:?}"))
}

/// Rows of generated objects that the setup has written before.
fn setup_rows(object: &str) -> u64 {
    u64::from(object == "PermissionSetAssignment")
}

#[tokio::test]
async fn a_generated_org_answers_what_the_plan_says() {
    let plan = SeedPlan { seed: 3, contacts: 200 };
    let emulator = Emulator::builder().seed(plan.seed).contacts(plan.contacts).start().await.expect("starts");
    let volumes = plan.volumes();
    let dead = |n: u64, wheel: u64, place: u64| (0..n).filter(|i| i % wheel == place).count() as u64;
    let live = volumes.contacts - dead(volumes.contacts, 40, 11) - dead(volumes.contacts, 40, 12);
    assert_eq!(count(&emulator, "SELECT COUNT(Id) n FROM Contact").await, live);
    assert_eq!(count(&emulator, "SELECT COUNT(Id) n FROM User").await, 13);
    assert_eq!(count(&emulator, "SELECT COUNT(Id) n FROM OpportunityStage").await, 12);
    // Nothing is lost on the way in, and the org adds no rows of its own to those of the seed.
    let mut written: BTreeMap<String, u64> = BTreeMap::new();
    let mut sink = |object: &str, _: Record| {
        *written.entry(object.to_owned()).or_default() += 1;
        Ok(())
    };
    let schema = Schema::standard(&Features::default());
    generate(&plan, &schema, emulator.org().now(), &mut sink).expect("generates");
    for (object, rows) in &written {
        // Users have no recycle bin, and a link can only be asked for by its document.
        if !matches!(object.as_str(), "User" | "ContentDocumentLink") {
            let soql = format!("SELECT COUNT(Id) n FROM {object}");
            assert_eq!(count_all(&emulator, &soql).await, *rows + setup_rows(object), "{object}");
        }
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn every_feature_loads() {
    let features = Features {
        multi_currency: true,
        person_accounts: true,
        state_country_picklists: true,
        ..Features::default()
    };
    let emulator = Emulator::builder().features(features).contacts(60).start().await.expect("starts");
    assert!(count(&emulator, "SELECT COUNT(Id) n FROM Account WHERE IsPersonAccount = true").await > 0);
    assert!(count(&emulator, "SELECT COUNT(Id) n FROM Opportunity WHERE CurrencyIsoCode = 'JPY'").await > 0);
    assert!(count(&emulator, "SELECT COUNT(Id) n FROM Contact WHERE MailingCountryCode = 'US'").await > 0);
    emulator.shutdown().await;
}

#[tokio::test]
async fn sample_data_of_others_loads_into_an_org() {
    let Some(samples) = super::trees::samples() else { return };
    let mut counts = BTreeMap::new();
    for entry in std::fs::read_dir(samples).expect("folder") {
        let path = entry.expect("entry").path();
        let emulator = match Emulator::builder().data_dir(&path).start().await {
            Ok(emulator) => emulator,
            Err(error) => panic!(
                "{}: {error}: {:?}",
                path.display(),
                std::error::Error::source(&error).map(ToString::to_string)
            ),
        };
        let mut records = 0;
        for object in ["Account", "Contact", "Lead", "Opportunity"] {
            records += count(&emulator, &format!("SELECT COUNT(Id) n FROM {object}")).await;
        }
        counts.insert(path.file_name().map(|n| n.to_string_lossy().into_owned()), records);
        emulator.shutdown().await;
    }
    assert!(counts.len() >= 6 && counts.values().all(|n| *n > 0), "{counts:?}");
}
