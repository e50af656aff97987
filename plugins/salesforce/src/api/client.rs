//! The requests that the plugin makes, each with its path, its headers and the form of its answer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use unicrm_core::{ConnectRequest, Error, ErrorKind, RawRequest, RawResponse, Usage};
use unicrm_http::{BodyStream, HttpClient, Replay};
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::answer::{Answer, Expect, quota};
use super::composite::{self, SubAnswer, SubRequest};
use super::connection::{Call, Connection};
use super::describe::{Describe, GlobalDescribe};
use super::describe_cache::{DescribeCache, Known, MAX_AGE};
use super::identity::UserInfo;
use super::limits::Limits;
use super::query::{Locator, QueryOptions, QueryPage};
use super::replication::Deleted;
use super::soql::{Soql, checked_name};
use super::version::{self, ApiVersion};
use crate::auth;
use crate::config::SalesforceConfig;
use crate::error::{Fault, What, is_whole_page};
use crate::schema::Layouts;

/// Salesforce takes 16,384 bytes of URL and headers together; a longer query travels in a body.
const MAX_URL: usize = 14_000;
/// The wait before a body that broke off is asked for again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest such wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

const QUERY_OPTIONS: &str = "sforce-query-options";

/// Speaks to one org. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connection: Connection,
    version: ApiVersion,
    describes: DescribeCache,
    objects: Mutex<Option<(Instant, Arc<GlobalDescribe>)>>,
}

impl Client {
    /// Signs in, unless the store has a token, finds the org and agrees with it on an API version.
    pub(crate) async fn connect(
        linked: &ConnectRequest,
        config: Arc<SalesforceConfig>,
    ) -> Result<Self, Fault> {
        let http = auth::http_client(&config)?;
        Self::connect_over(http, linked, config).await
    }

    /// As [`Client::connect`], over a given HTTP client.
    pub(super) async fn connect_over(
        http: HttpClient,
        linked: &ConnectRequest,
        config: Arc<SalesforceConfig>,
    ) -> Result<Self, Fault> {
        let connection = Connection::open(config, http, Arc::clone(&linked.credentials)).await?;
        let call = Call::get("/services/data/").free();
        let mut usage = Usage::default();
        let offered = connection.fetch(&mut usage, &call, |answer| version::offered(&answer)).await?;
        connection.report_later(&usage);
        let version = version::choose(&offered, connection.config.api_version)?;
        let token = connection.token().await?;
        let dir = linked.cache_dir.as_ref().and_then(|dir| {
            let (organization, user) = auth::ids_of(&token)?;
            let locale = connection.config.locale.as_deref().unwrap_or("user");
            let place = [organization.as_str(), user.as_str(), &version.segment(), locale];
            Some(place.into_iter().fold(dir.join("salesforce"), |dir: PathBuf, part| dir.join(part)))
        });
        let describes = DescribeCache::new(dir);
        Ok(Self(Arc::new(Shared { connection, version, describes, objects: Mutex::default() })))
    }

    /// The API version that is spoken.
    pub(crate) fn version(&self) -> ApiVersion {
        self.0.version
    }

    /// Where the org is now.
    pub(crate) fn instance_url(&self) -> Url {
        self.0.connection.instance_url()
    }

    /// The configuration.
    pub(crate) fn config(&self) -> &Arc<SalesforceConfig> {
        &self.0.connection.config
    }

    /// How many requests may run at once now.
    pub(crate) fn concurrency(&self) -> usize {
        self.0.connection.concurrency()
    }

    /// A path of the data API at this version.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/services/data/{}{rest}", self.0.version.segment())
    }

    /// The first page of a query.
    pub(crate) async fn query(
        &self,
        usage: &mut Usage,
        soql: &Soql,
        options: QueryOptions,
    ) -> Result<QueryPage, Fault> {
        let path = self.query_path(&soql.text()?, options);
        if path.len() <= MAX_URL {
            let mut call = Call::get(path);
            if let Some(value) = self.batch_size(options) {
                call = call.header(HeaderName::from_static(QUERY_OPTIONS), &value)?;
            }
            match self.fetch(usage, &call, |answer| QueryPage::decode(&answer)).await {
                // A long token or a proxy leaves less room than Salesforce does.
                Err(Fault::Unexpected { status: 414 | 431, .. }) => {}
                outcome => return outcome,
            }
        }
        let requests = [self.query_request(soql, options)?];
        let call = Call::post_safely(self.path("/composite"), composite::body(&requests, false)?);
        self.fetch(usage, &call, |answer| {
            composite::decode(&answer, requests.len())?.into_iter().next().ok_or_else(unanswered)??.page()
        })
        .await
    }

    /// The next page of a query, also one of an earlier process.
    pub(crate) async fn query_more(&self, usage: &mut Usage, locator: &Locator) -> Result<QueryPage, Fault> {
        self.fetch(usage, &Call::get(locator.path()), |answer| QueryPage::decode(&answer)).await
    }

    /// Several GETs in as few calls as possible: one outcome per request, in order.
    pub(crate) async fn composite_batch(
        &self,
        usage: &mut Usage,
        requests: &[SubRequest],
    ) -> Result<Vec<Result<SubAnswer, Fault>>, Fault> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for requests in composite::calls(requests) {
            let call = Call::post_safely(self.path("/composite"), composite::body(requests, false)?);
            let decode = |answer: Answer| composite::decode(&answer, requests.len());
            outcomes.extend(self.fetch(usage, &call, decode).await?);
        }
        Ok(outcomes)
    }

    /// A query as a part of a composite call.
    pub(crate) fn query_request(&self, soql: &Soql, options: QueryOptions) -> Result<SubRequest, Fault> {
        let request = SubRequest::get(self.query_path(&soql.text()?, options));
        Ok(match self.batch_size(options) {
            Some(value) => request.header("Sforce-Query-Options", value),
            None => request,
        })
    }

    fn query_path(&self, soql: &str, options: QueryOptions) -> String {
        let resource = if options.all_rows { "queryAll" } else { "query" };
        let query: String = byte_serialize(soql.as_bytes()).collect();
        self.path(&format!("/{resource}?q={query}"))
    }

    fn batch_size(&self, options: QueryOptions) -> Option<String> {
        let size = options.batch_size.or(self.config().limits.batch_size)?;
        Some(format!("batchSize={}", size.clamp(200, 2_000)))
    }

    /// The description of an object: from memory or disk while it is fresh, otherwise the server is asked whether it has
    /// changed.
    pub(crate) async fn describe(&self, usage: &mut Usage, sobject: &str) -> Result<Arc<Describe>, Fault> {
        let known = self.0.describes.get(sobject).await;
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh()) {
            return Ok(Arc::clone(&known.describe));
        }
        let mut call = Call::get(self.describe_path(sobject)?);
        call.expect = Expect::JsonIfChanged;
        if let Some(since) = known.as_ref().and_then(|known| known.last_modified.as_deref()) {
            call = call.header(header::IF_MODIFIED_SINCE, since)?;
        }
        let changed = self
            .fetch(usage, &call, |answer| {
                if answer.status == StatusCode::NOT_MODIFIED {
                    return Ok(None);
                }
                let describe = Arc::new(Describe::parse(answer.text("the description of an object")?)?);
                let last_modified = answer.header(&header::LAST_MODIFIED).map(str::to_owned);
                Ok(Some((Known::new(describe, last_modified), answer)))
            })
            .await?;
        match (changed, known) {
            (Some((known, answer)), _) => {
                let describe = Arc::clone(&known.describe);
                self.0.describes.put(sobject, known, answer.text("the description of an object")?).await;
                Ok(describe)
            }
            (None, Some(known)) => {
                self.0.describes.confirm(sobject, &known).await;
                Ok(known.describe)
            }
            (None, None) => Err(unanswered()),
        }
    }

    /// The descriptions of several objects, 25 to a call: one outcome per object, in order.
    pub(crate) async fn describe_many(
        &self,
        usage: &mut Usage,
        sobjects: &[&str],
    ) -> Result<Vec<Result<Arc<Describe>, Fault>>, Fault> {
        self.descriptions(usage, sobjects, Known::is_fresh).await
    }

    /// The same, with the server asked whether those that are known have changed.
    pub(crate) async fn describe_anew(
        &self,
        usage: &mut Usage,
        sobjects: &[&str],
    ) -> Result<Vec<Result<Arc<Describe>, Fault>>, Fault> {
        self.descriptions(usage, sobjects, |_| false).await
    }

    async fn descriptions(
        &self,
        usage: &mut Usage,
        sobjects: &[&str],
        is_good: fn(&Known) -> bool,
    ) -> Result<Vec<Result<Arc<Describe>, Fault>>, Fault> {
        let mut outcomes = Vec::with_capacity(sobjects.len());
        let mut asked = Vec::new();
        for (at, sobject) in sobjects.iter().enumerate() {
            let known = self.0.describes.get(sobject).await;
            outcomes.push(match &known {
                Some(known) if is_good(known) => Some(Ok(Arc::clone(&known.describe))),
                _ => None,
            });
            if outcomes.last().is_some_and(Option::is_none) {
                let request = self.describe_request(sobject, known.as_ref())?;
                asked.push((at, *sobject, known, request));
            }
        }
        let requests: Vec<_> = asked.iter().map(|(.., request)| request.clone()).collect();
        let answers = self.composite_batch(usage, &requests).await?;
        for ((at, sobject, known, _), answer) in asked.into_iter().zip(answers) {
            let outcome = self.settled(sobject, known, answer).await.map(|(describe, _)| describe);
            if let Some(place) = outcomes.get_mut(at) {
                *place = Some(outcome);
            }
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(unanswered()))).collect())
    }

    /// The question whether a description has changed that is good enough to begin with, as a part of a composite call. None
    /// when there is no such description, which comes first then, or when it is younger than that.
    pub(crate) async fn changed_request(
        &self,
        sobject: &str,
        age: Duration,
    ) -> Result<Option<SubRequest>, Fault> {
        let is_asked_for = |known: &Known| known.is_fresh() && !known.is_younger_than(age);
        let known = self.0.describes.get(sobject).await.filter(is_asked_for);
        known.map(|known| self.describe_request(sobject, Some(&known))).transpose()
    }

    /// Takes the answer to that question: false when what is known still holds.
    pub(crate) async fn has_changed(
        &self,
        sobject: &str,
        answer: Result<SubAnswer, Fault>,
    ) -> Result<bool, Fault> {
        let known = self.0.describes.get(sobject).await;
        self.settled(sobject, known, answer).await.map(|(_, changed)| changed)
    }

    /// The description by the answer to whether it has changed, and whether it has.
    async fn settled(
        &self,
        sobject: &str,
        known: Option<Known>,
        answer: Result<SubAnswer, Fault>,
    ) -> Result<(Arc<Describe>, bool), Fault> {
        let answer = answer?;
        match known {
            Some(known) if answer.status == 304 => {
                self.0.describes.confirm(sobject, &known).await;
                Ok((known.describe, false))
            }
            _ => Ok((self.keep(sobject, &answer).await?, true)),
        }
    }

    fn describe_request(&self, sobject: &str, known: Option<&Known>) -> Result<SubRequest, Fault> {
        let request = SubRequest::get(self.describe_path(sobject)?);
        Ok(match known.and_then(|known| known.last_modified.as_deref()) {
            Some(since) => request.header("If-Modified-Since", since),
            None => request,
        })
    }

    async fn keep(&self, sobject: &str, answer: &SubAnswer) -> Result<Arc<Describe>, Fault> {
        let describe = Arc::new(Describe::parse(answer.body())?);
        let known = Known::new(Arc::clone(&describe), answer.header("Last-Modified").map(str::to_owned));
        self.0.describes.put(sobject, known, answer.body()).await;
        Ok(describe)
    }

    /// The id of the user whom we ask as.
    pub(crate) async fn user_id(&self, usage: &mut Usage) -> Result<String, Fault> {
        match auth::ids_of(&self.0.connection.token().await?) {
            Some((_, user)) => Ok(user.to_string()),
            None => Ok(self.identity(usage).await?.user_id),
        }
    }

    /// The time at the server by its last answer. A server that dates no answer leaves only the clock of this machine.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.connection.server_now().unwrap_or_else(Timestamp::now)
    }

    /// The server's clock, asked for.
    pub(crate) async fn server_time(&self, usage: &mut Usage) -> Result<Timestamp, Fault> {
        let call = Call::get("/services/data/").free();
        self.fetch(usage, &call, |answer| answer.server_time().ok_or_else(unanswered)).await
    }

    fn describe_path(&self, sobject: &str) -> Result<String, Fault> {
        Ok(self.path(&format!("/sobjects/{}/describe", checked_name(sobject)?)))
    }

    /// Forgets a description that Salesforce's answers contradict; the next one is fetched whole.
    pub(crate) fn forget_describe(&self, sobject: &str) {
        self.0.describes.forget(sobject);
        *self.0.objects.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The objects that this user sees.
    pub(crate) async fn describe_global(&self, usage: &mut Usage) -> Result<Arc<GlobalDescribe>, Fault> {
        if let Some((at, objects)) = &*self.0.objects.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < MAX_AGE
        {
            return Ok(Arc::clone(objects));
        }
        let call = Call::get(self.path("/sobjects"));
        let decode = |answer: Answer| GlobalDescribe::parse(answer.text("the list of objects")?);
        let objects = Arc::new(self.fetch(usage, &call, decode).await?);
        let entry = Some((Instant::now(), Arc::clone(&objects)));
        *self.0.objects.lock().unwrap_or_else(PoisonError::into_inner) = entry;
        Ok(objects)
    }

    /// What the record types of an object offer.
    pub(crate) async fn record_type_choices(
        &self,
        usage: &mut Usage,
        sobject: &str,
    ) -> Result<Layouts, Fault> {
        let path = self.path(&format!("/sobjects/{}/describe/layouts", checked_name(sobject)?));
        self.fetch(usage, &Call::get(path), |answer| answer.json("the layouts of an object")).await
    }

    /// The org's limits.
    pub(crate) async fn limits(&self, usage: &mut Usage) -> Result<Limits, Fault> {
        self.fetch(usage, &Call::get(self.path("/limits")), |answer| answer.json("the limits")).await
    }

    /// Who we are: the userinfo service, or the identity URL where the app's scopes do not reach that.
    pub(crate) async fn identity(&self, usage: &mut Usage) -> Result<UserInfo, Fault> {
        let ask = async |usage: &mut Usage, path: String| {
            self.fetch(usage, &Call::get(path).free(), |answer| {
                answer.json::<UserInfo>("the user's identity")
            })
            .await
        };
        let info = match ask(usage, "/services/oauth2/userinfo".to_owned()).await {
            Err(fault) if fault.refusal().is_some() || fault.is_unauthenticated() => {
                let Some((organization, user)) = auth::ids_of(&self.0.connection.token().await?) else {
                    return Err(fault);
                };
                ask(usage, format!("/id/{organization}/{user}")).await?
            }
            outcome => outcome?,
        };
        if let Some(username) = &info.username {
            self.0.connection.remember_username(username);
        }
        Ok(info)
    }

    /// The bytes behind a path, such as `/sobjects/ContentNote/069.../Content` (below the version) or a whole path from a
    /// record. They are parts of pages, never whole ones: those are a login or a notice that stands in the way.
    pub(crate) async fn blob(&self, usage: &mut Usage, path: &str, max: usize) -> Result<Bytes, Fault> {
        let path = if path.starts_with("/services/") { path.to_owned() } else { self.path(path) };
        let mut call = Call { expect: Expect::Bytes, max, ..Call::get(path) };
        call.headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let decode = |answer: Answer| match is_whole_page(&answer.headers, &answer.body) {
            true => Err(Fault::Unexpected { status: answer.status.as_u16(), what: What::Page, after: None }),
            false => Ok(answer.body),
        };
        self.fetch(usage, &call, decode).await
    }

    /// The records of an object that were deleted between two instants. Salesforce knows the last 15 days at the most and
    /// looks at whole minutes.
    pub(crate) async fn deleted(
        &self,
        usage: &mut Usage,
        sobject: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Deleted, Fault> {
        let path = self.deleted_path(sobject, start, end)?;
        self.fetch(usage, &Call::get(path), |answer| Deleted::decode(&answer)).await
    }

    /// The same as a part of a composite call, whose answer is a [`Deleted`].
    pub(crate) fn deleted_request(
        &self,
        sobject: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<SubRequest, Fault> {
        Ok(SubRequest::get(self.deleted_path(sobject, start, end)?))
    }

    fn deleted_path(&self, sobject: &str, start: Timestamp, end: Timestamp) -> Result<String, Fault> {
        let instant = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S%%2B00:00").to_string();
        let sobject = checked_name(sobject)?;
        Ok(self.path(&format!("/sobjects/{sobject}/deleted/?start={}&end={}", instant(start), instant(end))))
    }

    /// A request of the caller's own. The answer is given whatever its status; only the session is looked after.
    pub(crate) async fn raw(&self, usage: &mut Usage, request: &RawRequest) -> Result<RawResponse, Fault> {
        let invalid =
            |what: &str| Fault::from(Error::new(ErrorKind::InvalidRequest, format!("{what} is not valid")));
        let method = Method::from_bytes(request.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| invalid("the method"))?;
        let replay = if method.is_safe() { Replay::Safe } else { Replay::Unsafe };
        let body = Bytes::from(request.body.clone().unwrap_or_default());
        let mut call =
            Call { method, body, replay, expect: Expect::Anything, ..Call::get(request.path.as_str()) };
        for (name, value) in &request.headers {
            let header: HeaderName = name.parse().map_err(|_| invalid("the name of a header"))?;
            if matches!(
                header,
                header::AUTHORIZATION | header::HOST | header::COOKIE | header::CONTENT_LENGTH
            ) {
                let message = format!("the header {header} is set by the plugin and cannot be given");
                return Err(Error::new(ErrorKind::InvalidRequest, message).into());
            }
            call = call.header(header, value).map_err(|_| invalid("the value of a header"))?;
        }
        let mut own = Usage::default();
        let outcome = self.fetch(&mut own, &call, Ok).await;
        usage.add(&own);
        let answer = outcome?;
        let packed = answer.headers.contains_key(header::CONTENT_ENCODING);
        let shown = |name: &HeaderName| match *name {
            // Cookies of this server are as good as a session.
            header::SET_COOKIE => false,
            // The body has been unpacked.
            header::CONTENT_ENCODING | header::CONTENT_LENGTH => !packed,
            _ => true,
        };
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            let text = value.to_str().ok().filter(|_| shown(name))?;
            Some((name.as_str().to_owned(), text.to_owned()))
        };
        let headers = answer.headers.iter().filter_map(header).collect();
        let mut response = RawResponse::new(answer.status.as_u16(), headers, answer.body.to_vec());
        response.usage = own;
        Ok(response.with_quota(quota(&answer.headers)))
    }

    /// Sends a request and reads its answer.
    pub(super) async fn fetch<T, D>(&self, usage: &mut Usage, call: &Call<'_>, decode: D) -> Result<T, Fault>
    where
        D: Fn(Answer) -> Result<T, Fault>,
    {
        self.0.connection.fetch(usage, call, decode).await
    }

    /// Waits before a body that broke off is asked for again; false when it was asked for often enough, or would be no better.
    pub(crate) async fn outlasts(&self, fault: &Fault, attempt: u32) -> bool {
        if attempt >= self.config().limits.attempts || fault.again(attempt).is_none() {
            return false;
        }
        tracing::debug!(%fault, attempt, "a body that broke off is asked for again");
        let doubled = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        tokio::time::sleep(doubled.min(LONGEST_PAUSE)).await;
        true
    }

    /// Sends a request and reads the head of its answer; the body comes as it is read.
    pub(super) async fn stream<T, D>(
        &self,
        usage: &mut Usage,
        call: &Call<'_>,
        decode: D,
    ) -> Result<(T, BodyStream), Fault>
    where
        D: Fn(Answer) -> Result<T, Fault>,
    {
        self.0.connection.stream(usage, call, decode).await
    }
}

fn unanswered() -> Fault {
    Fault::Unreadable { what: "an answer", why: "what was asked for is not in it".to_owned(), cut: false }
}
