//! Opportunities with their contact roles and history, campaigns with members, cases, products.

use rust_decimal::Decimal;

use super::address::clip;
use super::draw::{DAY, Draw, Kind, at, day};
use super::links::{DEAL_DELETED, DEAL_WHEEL, Links, live_contact, live_lead};
use super::people::{account_id, contact_id, tricky};
use super::picklists::{STAGES, Stage};
use super::world::{Stamps, World, inactive_owner, user_id};
use crate::SalesforceError;
use crate::org::Record;
use crate::schema::ids::salesforce_id;

const ROLES: &[&str] =
    &["Business User", "Decision Maker", "Economic Buyer", "Evaluator", "Executive Sponsor", "Influencer"];
const DEAL_TYPES: &[&str] = &[
    "Existing Customer - Upgrade",
    "Existing Customer - Replacement",
    "Existing Customer - Downgrade",
    "New Customer",
];
const SOURCES: &[&str] = &["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"];
const CAMPAIGN_TYPES: &[&str] = &["Conference", "Webinar", "Trade Show", "Email"];
const PRODUCTS: u64 = 8;

/// The active stages take most places of the wheel, the retired ones two of them.
fn stage_of(n: u64, draw: &mut Draw) -> &'static Stage {
    let wanted = match n % DEAL_WHEEL {
        20 => "Verbal Commitment",
        21 => "Closed - Postponed",
        22 | 23 | 2 => "Closed Won",
        3 | 8 => "Closed Lost",
        _ => "",
    };
    let open = usize::try_from(draw.number(0, 10)).unwrap_or(0);
    STAGES.iter().find(|stage| stage.name == wanted).or_else(|| STAGES.get(open)).unwrap_or(&STAGES[0])
}

/// Opportunities.
pub(crate) fn opportunities(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let links = world.links();
    let mut roles = 0;
    for n in 0..world.volumes.deals {
        let place = n % DEAL_WHEEL;
        let mut draw = world.draw(Kind::Opportunity, n);
        let mut stamps = world.stamps(&mut draw, n);
        let stage = stage_of(n, &mut draw);
        if !stage.active {
            // Retired stages are on deals of years ago.
            stamps = Stamps::once(world.now - draw.number(1200 * DAY, 1500 * DAY), &mut draw);
        }
        let mut record = world.record("006", n, &mut draw, stamps);
        let amount = amount(place, &mut draw);
        let close =
            if stage.closed { stamps.modified } else { world.now + draw.number(-20 * DAY, 200 * DAY) };
        let close = day(at(close));
        let account = links.account_of_deal(n);
        let name =
            if place == 16 { tricky(n, DEAL_WHEEL).replace(['\n', '\r', '\t'], " ") } else { draw.project() };
        record.set("Name", clip(&format!("{name} #{}", n + 1), 120));
        record.set("AccountId", account.map(account_id));
        record.set("StageName", stage.name);
        record.set("IsClosed", stage.closed);
        record.set("IsWon", stage.won);
        record.set("Probability", Decimal::from(stage.probability));
        record.set("ForecastCategory", stage.forecast);
        record.set("ForecastCategoryName", stage.forecast_name);
        record.set("Amount", amount);
        let expected = amount
            .and_then(|a| a.checked_mul(Decimal::from(stage.probability)))
            .and_then(|a| a.checked_div(Decimal::ONE_HUNDRED));
        record.set("ExpectedRevenue", expected.map(|e| e.round_dp(2)));
        record.set("CloseDate", close);
        let quarter = (i64::from(close.month()) - 1) / 3 + 1;
        record.set("FiscalYear", i64::from(close.year()));
        record.set("FiscalQuarter", quarter);
        record.set("Fiscal", format!("{} {quarter}", close.year()));
        record.set("LastStageChangeDate", at(stamps.modified));
        record.set("LastActivityDate", links.last_about_deal(n));
        if place == 24 || !stage.active {
            record.set("OwnerId", inactive_owner(n));
        }
        if place == DEAL_DELETED {
            record.set("IsDeleted", true);
        }
        if place != 13 {
            record.set("Type", draw.pick(DEAL_TYPES));
            record.set("LeadSource", draw.pick(SOURCES));
            record.set("NextStep", clip(&draw.sentence(), 255));
            let text = if place == 17 { draw.paragraphs(3) } else { draw.sentence() };
            record.set("Description", text);
            record.set("IsPrivate", place == 18);
            record
                .set("CampaignId", place.is_multiple_of(5).then(|| campaign_id(n % world.volumes.campaigns)));
        }
        world.write("Opportunity", record)?;
        if place != DEAL_DELETED && place.is_multiple_of(2) {
            roles = contact_roles(world, &links, n, stamps, roles, &mut draw)?;
        }
        history(world, n, stage, amount, close, stamps, &mut draw)?;
    }
    Ok(())
}

/// None, round, with cents, as large as the field takes, and negative for a credit.
fn amount(place: u64, draw: &mut Draw) -> Option<Decimal> {
    match place {
        4 | 13 => None,
        5 => Some(Decimal::new(1_234_567_890_123_456_789 / 10, 2)),
        7 => Some(Decimal::ZERO),
        10 => Some(Decimal::new(-draw.number(100, 100_000), 2)),
        11 | 12 => Some(Decimal::new(draw.number(1, 100_000_000), 2)),
        _ => Some(Decimal::from(draw.number(1, 500) * 500)),
    }
}

fn contact_roles(
    world: &mut World<'_>,
    links: &Links,
    deal: u64,
    stamps: Stamps,
    mut roles: u64,
    draw: &mut Draw,
) -> Result<u64, SalesforceError> {
    let first = live_contact(deal % world.volumes.contacts);
    for (index, contact) in [Some(first), links.colleague(first)].into_iter().flatten().enumerate() {
        roles += 1;
        let mut record = Record::new().with("Id", salesforce_id("00K", roles));
        stamps.write(&mut record);
        let record = record
            .with("OpportunityId", deal_id(deal))
            .with("ContactId", contact_id(contact))
            .with("IsPrimary", index == 0)
            .with("Role", draw.chance(80).then(|| draw.pick(ROLES)));
        world.write("OpportunityContactRole", record)?;
    }
    Ok(roles)
}

/// One row for the way in, one for the stage now.
fn history(
    world: &mut World<'_>,
    deal: u64,
    stage: &Stage,
    amount: Option<Decimal>,
    close: jiff::civil::Date,
    stamps: Stamps,
    draw: &mut Draw,
) -> Result<(), SalesforceError> {
    let first = STAGES.first().unwrap_or(stage);
    for (index, (stage, second)) in
        [(first, stamps.created), (stage, stamps.modified)].into_iter().enumerate()
    {
        let row = deal * 2 + u64::try_from(index).unwrap_or(0) + 1;
        let record = Record::new()
            .with("Id", salesforce_id("008", row))
            .with("OpportunityId", deal_id(deal))
            .with("CreatedDate", at(second))
            .with("CreatedById", user_id(u64::try_from(draw.number(1, 10)).unwrap_or(1)))
            .with("SystemModstamp", at(second))
            .with("StageName", stage.name)
            .with("Probability", Decimal::from(stage.probability))
            .with("ForecastCategory", stage.forecast)
            .with("Amount", amount)
            .with("CloseDate", close)
            .with("IsDeleted", deal % DEAL_WHEEL == DEAL_DELETED);
        world.write("OpportunityHistory", record)?;
    }
    Ok(())
}

/// Products and campaigns, which others refer to.
pub(crate) fn products_and_campaigns(world: &mut World<'_>) -> Result<(), SalesforceError> {
    for n in 0..PRODUCTS {
        let mut draw = world.draw(Kind::Product, n);
        let stamps = world.stamps(&mut draw, n);
        let mut record = world.record("01t", n, &mut draw, stamps);
        record.set("Name", clip(&draw.project(), 255));
        record.set("ProductCode", format!("P-{n:04}"));
        record.set("IsActive", n % 4 != 3);
        record.set("Description", draw.slogan());
        world.write("Product2", record)?;
    }
    for n in 0..world.volumes.campaigns {
        let mut draw = world.draw(Kind::Campaign, n);
        let stamps = world.stamps(&mut draw, n);
        let mut record = world.record("701", n, &mut draw, stamps);
        let kind = draw.pick(CAMPAIGN_TYPES);
        record.set("Name", clip(&format!("{kind}: {}", draw.project()), 80));
        record.set("Type", kind);
        record.set("Status", if n % 2 == 0 { "In Progress" } else { "Completed" });
        record.set("IsActive", n % 2 == 0);
        record.set("StartDate", day(at(stamps.created)));
        record.set("BudgetedCost", Decimal::from(draw.number(1, 100) * 1000));
        for count in [
            "NumberOfLeads",
            "NumberOfConvertedLeads",
            "NumberOfContacts",
            "NumberOfResponses",
            "NumberOfOpportunities",
            "NumberOfWonOpportunities",
        ] {
            record.set(count, 0_i64);
        }
        record.set("AmountAllOpportunities", Decimal::ZERO);
        record.set("AmountWonOpportunities", Decimal::ZERO);
        world.write("Campaign", record)?;
    }
    Ok(())
}

/// Members of the campaigns: leads and contacts in turn.
pub(crate) fn campaign_members(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let members = world.volumes.campaigns * 4;
    for n in 0..members {
        let mut draw = world.draw(Kind::Campaign, world.volumes.campaigns + n);
        let stamps = world.stamps(&mut draw, n);
        let mut record = world.record("00v", n, &mut draw, stamps);
        record.take("OwnerId");
        record.set("CampaignId", campaign_id(n % world.volumes.campaigns));
        let id = if n % 2 == 0 {
            let lead = salesforce_id("00Q", live_lead(n % world.volumes.leads) + 1);
            record.set("LeadId", lead.clone());
            record.set("Type", "Lead");
            lead
        } else {
            let contact = contact_id(live_contact(n % world.volumes.contacts));
            record.set("ContactId", contact.clone());
            record.set("Type", "Contact");
            contact
        };
        record.set("LeadOrContactId", id);
        record.set("Status", if n % 3 == 0 { "Responded" } else { "Sent" });
        record.set("HasResponded", n % 3 == 0);
        world.write("CampaignMember", record)?;
    }
    Ok(())
}

/// Cases, some of them owned by a queue.
pub(crate) fn cases(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let links = world.links();
    for n in 0..world.volumes.cases {
        let mut draw = world.draw(Kind::Case, n);
        let stamps = world.stamps(&mut draw, n);
        let mut record = world.record("500", n, &mut draw, stamps);
        let contact = live_contact(n % world.volumes.contacts);
        let status = match n % 5 {
            0 | 1 => "New",
            2 => "Working",
            3 => "Escalated",
            _ => "Closed",
        };
        record.set("CaseNumber", format!("{:08}", n + 1001));
        record.set("ContactId", contact_id(contact));
        record.set("AccountId", links.account_of_contact(contact).map(account_id));
        record.set("Status", status);
        record.set("IsClosed", status == "Closed");
        record.set("IsEscalated", status == "Escalated");
        record.set("ClosedDate", (status == "Closed").then(|| at(stamps.modified)));
        record.set("Priority", "Medium");
        record.set("Origin", "Email");
        record.set("Subject", clip(&draw.sentence(), 255));
        record.set("Description", draw.paragraphs(1));
        if n % 5 == 1 {
            record.set("OwnerId", super::picklists::queue_id(2));
        }
        world.write("Case", record)?;
    }
    Ok(())
}

/// Id of the `n`-th opportunity, from 0.
pub(crate) fn deal_id(n: u64) -> String {
    salesforce_id("006", n + 1)
}

/// Id of the `n`-th campaign, from 0.
pub(crate) fn campaign_id(n: u64) -> String {
    salesforce_id("701", n + 1)
}

/// Id of the `n`-th case, from 0.
pub(crate) fn case_id(n: u64) -> String {
    salesforce_id("500", n + 1)
}
