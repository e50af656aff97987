//! Conveniences over every provider.

use std::collections::HashSet;
use std::pin::Pin;

use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};

use super::{
    Next, Outcome, OutcomeStatus, Page, Provider, ReadPart, ReadRequest, Row, Scope, Watermark,
    WriteOperation, WriteRequest,
};
use crate::{Error, ErrorKind, Object, ObjectKind, ObjectPatch, RemoteId, Result};

/// Conveniences over every [`Provider`]: implemented for all of them, and by nobody else.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use unicrm_core::{memory::MemoryProvider, LinkedAccountId, Note, NotePatch, ProviderExt};
/// let provider = MemoryProvider::new(LinkedAccountId::random());
/// let made = provider.create(NotePatch::new().content("K-LINK is hiring!")).await?;
/// let note: Note = provider.get(made.remote_id.unwrap()).await?;
/// assert_eq!(note.content.as_deref(), Some("K-LINK is hiring!"));
/// # Ok::<_, unicrm_core::Error>(()) }).unwrap();
/// ```
pub trait ProviderExt: Provider {
    /// Reads one page of one part.
    fn read_page(&self, part: ReadPart) -> BoxFuture<'_, Result<Page>> {
        Box::pin(async move {
            let pages = self.read(ReadRequest::new(part)).await?;
            pages.into_iter().next().unwrap_or_else(|| {
                Err(Error::new(ErrorKind::Internal, "the provider answered without a page")
                    .with_provider(self.info().slug)
                    .with_operation("read"))
            })
        })
    }

    /// The pages of a part to the end, in constant memory. Ends after the first error. A token that comes twice is an error:
    /// the reading would never end.
    fn pages(&self, part: ReadPart) -> Pin<Box<dyn Stream<Item = Result<Page>> + Send + '_>> {
        struct State {
            part: Option<ReadPart>,
            seen: HashSet<super::PageToken>,
        }
        let start = State { seen: part.after.iter().cloned().collect(), part: Some(part) };
        Box::pin(stream::try_unfold(start, move |mut state| async move {
            let Some(part) = state.part.take() else { return Ok(None) };
            let page = self.read_page(part.clone()).await?;
            if let Some(token) = page.next_token() {
                if !state.seen.insert(token.clone()) {
                    return Err(repeated_token(self.info().slug));
                }
                state.part = Some(part.after(token.clone()));
            }
            Ok(Some((page, state)))
        }))
    }

    /// The rows of a part to the end, in constant memory.
    fn rows(&self, part: ReadPart) -> Pin<Box<dyn Stream<Item = Result<Row>> + Send + '_>> {
        let rows = self.pages(part).map_ok(|page| stream::iter(page.rows.into_iter().map(Ok)));
        Box::pin(rows.try_flatten())
    }

    /// All live records of a type, in memory, with a rejected one as an error. For small objects and tests; hosts that copy an
    /// org read [`ProviderExt::pages`].
    fn read_all<T: Object>(&self) -> BoxFuture<'_, Result<Vec<T>>> {
        Box::pin(async move {
            let mut rows = self.rows(ReadPart::all(T::KIND));
            let mut records = Vec::new();
            while let Some(row) = rows.next().await {
                match row? {
                    Row::Live(row) => records.extend(T::from_record(row.record)),
                    Row::Rejected { error, .. } => return Err(error),
                    Row::Gone(_) | Row::Id { .. } => {}
                }
            }
            Ok(records)
        })
    }

    /// The watermark from which a later reading shows what changes from now on: reads all pages and keeps no row.
    fn read_to_end(&self, part: ReadPart) -> BoxFuture<'_, Result<Option<Watermark>>> {
        Box::pin(async move {
            let mut pages = self.pages(part);
            let mut end = None;
            while let Some(page) = pages.next().await {
                if let Next::End(watermark) = page?.next {
                    end = watermark;
                }
            }
            Ok(end)
        })
    }

    /// One live record by remote id; an error of kind [`ErrorKind::NotFound`] when it is gone or not shown.
    fn get<T: Object>(&self, remote_id: RemoteId) -> BoxFuture<'_, Result<T>> {
        Box::pin(async move {
            let missing = format!("there is no {} {remote_id} that this user sees", T::KIND);
            let part = ReadPart::new(T::KIND, Scope::Ids(vec![remote_id]));
            let mut rows = self.rows(part);
            while let Some(row) = rows.next().await {
                match row? {
                    Row::Live(row) => {
                        if let Some(object) = T::from_record(row.record) {
                            return Ok(object);
                        }
                    }
                    Row::Rejected { error, .. } => return Err(error),
                    Row::Gone(_) | Row::Id { .. } => {}
                }
            }
            Err(Error::new(ErrorKind::NotFound, missing)
                .with_provider(self.info().slug)
                .with_operation("get"))
        })
    }

    /// Creates one record. A write that failed or is in doubt is an error.
    fn create<P: ObjectPatch>(&self, record: P) -> BoxFuture<'_, Result<Outcome>> {
        self.write_one(WriteOperation::create(record))
    }

    /// Updates one record. A write that failed or is in doubt is an error.
    fn update<P: ObjectPatch>(&self, remote_id: RemoteId, record: P) -> BoxFuture<'_, Result<Outcome>> {
        self.write_one(WriteOperation::update(remote_id, record))
    }

    /// Deletes one record. A write that failed or is in doubt is an error.
    fn delete(&self, kind: ObjectKind, remote_id: RemoteId) -> BoxFuture<'_, Result<Outcome>> {
        self.write_one(WriteOperation::delete(kind, remote_id))
    }

    /// Writes one row. A write that failed or is in doubt is an error.
    fn write_one(&self, operation: WriteOperation) -> BoxFuture<'_, Result<Outcome>> {
        Box::pin(async move {
            let report = self.write(WriteRequest::new([operation])).await?;
            let outcome = report.outcomes.into_iter().next().ok_or_else(|| {
                Error::new(ErrorKind::Internal, "the provider answered without an outcome")
                    .with_provider(self.info().slug)
                    .with_operation("write")
            })?;
            match outcome.status {
                OutcomeStatus::Failed(error) | OutcomeStatus::InDoubt { error, .. } => Err(error),
                _ => Ok(outcome),
            }
        })
    }
}

impl<P: Provider + ?Sized> ProviderExt for P {}

pub(crate) fn repeated_token(provider: &'static str) -> Error {
    Error::new(
        ErrorKind::Internal,
        "the provider gave the same page token twice; the reading would never end",
    )
    .with_provider(provider)
    .with_operation("read")
}
