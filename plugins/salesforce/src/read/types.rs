//! Types of engagement: no object of Salesforce's, but made from what the org says about events and tasks.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use unicrm_core::{
    Error, ErrorKind, Gone, GoneReason, LiveRow, Next, ObjectKind, Page, PageToken, RawRecord, ReadPart,
    RemoteId, Row, Scope, Shape, Usage,
};

use super::Reader;
use super::batch::Ready;
use super::token::Marks;
use crate::objects::engagement_types;

/// The place in the list of types.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    engagement_types: usize,
}

impl Reader {
    /// All types that there are, or those with the given ids. They have no time stamps: a reading since a watermark shows
    /// all of them.
    pub(super) async fn engagement_types(&self, part: &ReadPart, ready: &Ready) -> Result<Page, Error> {
        if let Scope::Since(watermark) = &part.scope {
            Marks::parse(watermark)?;
        }
        let start = part.after.as_ref().map_or(Ok(0), place)?;
        let mut usage = Usage::default();
        if !ready.described {
            // Nothing else would tell of a new type within the hour for which descriptions are taken as they are.
            self.client.describe_anew(&mut usage, &["Event", "Task"]).await?;
        }
        let context = self.facts.activity_types(&self.client, &mut usage).await?;
        let types = engagement_types(&context);
        let mut rows: Vec<Row> = Vec::new();
        let wanted: Option<HashSet<&RemoteId>> = match &part.scope {
            Scope::Ids(ids) => Some(ids.iter().collect()),
            _ => None,
        };
        let shown = |id: &RemoteId| wanted.as_ref().is_none_or(|wanted| wanted.contains(id));
        for made in types {
            let Some(remote_id) = made.remote_id.clone().filter(shown) else { continue };
            rows.push(match part.shape {
                Shape::Full => {
                    // Nothing of its own was sent for it, so the record stands for itself.
                    let raw =
                        RawRecord::new("/sobjects/EngagementType", unicrm_core::Json::of(&made).as_str());
                    Row::Live(LiveRow::new(made).with_raw(raw))
                }
                _ => Row::Id { remote_id, stamp: None },
            });
        }
        let live = rows.len() as u64;
        if part.shape == Shape::Count {
            return Ok(Page::new(Vec::new(), Next::End(None)).with_count(live).with_usage(usage));
        }
        if let Scope::Ids(ids) = &part.scope {
            let known: HashSet<RemoteId> = rows.iter().filter_map(|row| row.remote_id().cloned()).collect();
            let absent = ids.iter().filter(|id| !known.contains(*id));
            let gone =
                |id: &RemoteId| Gone::new(ObjectKind::EngagementType, id.clone(), GoneReason::NotVisible);
            rows.extend(absent.map(|id| Row::Gone(gone(id))));
        }
        let size = part.page_size.map_or(usize::MAX, |rows| rows.max(1) as usize);
        let end = start.saturating_add(size);
        let next = match end < rows.len() {
            true => Next::More(token(end)?),
            false if matches!(part.scope, Scope::Ids(_)) => Next::End(None),
            false => Next::End(Some(Marks::new(Default::default()).to_watermark()?)),
        };
        let rows = rows.into_iter().skip(start).take(size).collect();
        Ok(Page::new(rows, next).with_usage(usage))
    }
}

fn place(token: &PageToken) -> Result<usize, Error> {
    serde_json::from_str::<Place>(token.as_str()).map(|place| place.engagement_types).map_err(|source| {
        Error::new(ErrorKind::InvalidRequest, "this page token cannot be used: it is not one of this reading")
            .with_source(source)
    })
}

fn token(at: usize) -> Result<PageToken, Error> {
    serde_json::to_string(&Place { engagement_types: at }).map(PageToken::new).map_err(|source| {
        Error::new(ErrorKind::Internal, "a page token cannot be written").with_source(source)
    })
}
