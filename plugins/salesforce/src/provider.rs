//! The plugin as the contract sees it: each method hands over to the part that does the work.

use std::sync::Arc;

use async_trait::async_trait;
use unicrm_core::{
    Access, AuthFlow, Capabilities, ChangesPage, ChangesRequest, ConnectFuture, ConnectRequest,
    CustomObjectClass, CustomPage, CustomRead, CustomWrite, Error, ErrorKind, Interaction, ObjectKind, Page,
    Provider, ProviderInfo, RawRequest, RawResponse, ReadRequest, Result, Schema, SearchRequest, Setting,
    Usage, WriteReport, WriteRequest,
};

use crate::api::Client;
use crate::capabilities::capabilities;
use crate::config::SalesforceConfig;
use crate::custom::Custom;
use crate::objects::MAPPINGS;
use crate::read::Reader;
use crate::search::Searcher;
use crate::write::Writer;
use crate::{access, schema};

const LOGIN_URL: Setting = Setting {
    name: "login_url",
    description: "the org's My Domain URL (Setup > My Domain), such as https://acme.my.salesforce.com",
    required: false,
};
const CLIENT_ID: Setting = Setting {
    name: "client_id",
    description: "the consumer key of the external client app or connected app (Setup > App Manager)",
    required: true,
};

const USERNAME: Setting = Setting {
    name: "username",
    description: "the user to act for, as it signs in, such as integration@acme.example",
    required: true,
};
const CLIENT_SECRET: Setting =
    Setting { name: "client_secret", description: "the app's consumer secret", required: true };
const SECRET_IF_ANY: Setting = Setting {
    name: "client_secret",
    description: "the app's consumer secret, if the app requires it",
    required: false,
};

/// What the plugin is.
pub static INFO: ProviderInfo = ProviderInfo {
    slug: "salesforce",
    name: "Salesforce",
    description: "Salesforce Sales Cloud and everything on its platform, by the REST API.",
    auth_flows: &[
        AuthFlow {
            name: "web",
            description: "a user signs in with a browser on this machine (PKCE) and lets the app in",
            interaction: Interaction::Browser,
            settings: &[LOGIN_URL, CLIENT_ID, Setting { required: false, ..USERNAME }],
            secrets: &[SECRET_IF_ANY],
        },
        AuthFlow {
            name: "device",
            description: "a user enters a code on any other device and lets the app in",
            interaction: Interaction::Device,
            settings: &[LOGIN_URL, CLIENT_ID],
            secrets: &[SECRET_IF_ANY],
        },
        AuthFlow {
            name: "jwt",
            description: "the app signs in for a user with its private key; nobody has to be present",
            interaction: Interaction::None,
            settings: &[LOGIN_URL, CLIENT_ID, USERNAME],
            secrets: &[Setting {
                name: "private_key",
                description: "the private RSA key as PEM; the app has its certificate",
                required: true,
            }],
        },
        AuthFlow {
            name: "client-credentials",
            description: "the app signs in as the user that it is set to run as; nobody has to be present",
            interaction: Interaction::None,
            settings: &[Setting { required: true, ..LOGIN_URL }, CLIENT_ID],
            secrets: &[CLIENT_SECRET],
        },
        AuthFlow {
            name: "refresh-token",
            description: "a user has granted the app access, and its refresh token is at hand",
            interaction: Interaction::None,
            settings: &[LOGIN_URL, CLIENT_ID],
            secrets: &[
                Setting { name: "refresh_token", description: "the refresh token", required: true },
                SECRET_IF_ANY,
            ],
        },
    ],
    mappings: &MAPPINGS,
};

/// Connects a linked account: reads its configuration, signs in and agrees on an API version, so that what is wrong with
/// either shows here.
#[must_use]
pub fn connect(request: ConnectRequest) -> ConnectFuture {
    Box::pin(async move {
        let config = Arc::new(SalesforceConfig::from_json(&request.config)?);
        let client = Client::connect(&request, Arc::clone(&config)).await?;
        let reader = Reader::new(client.clone(), config, request.linked_account);
        let writer = Writer::new(client.clone(), request.linked_account);
        let custom = Custom::new(client.clone(), request.linked_account);
        let provider = Salesforce { client, reader, writer, custom, capabilities: capabilities() };
        Ok(Arc::new(provider) as Arc<dyn Provider>)
    })
}

/// A connected org.
#[derive(Debug)]
struct Salesforce {
    client: Client,
    reader: Reader,
    writer: Writer,
    custom: Custom,
    capabilities: Capabilities,
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what} is not supported by this provider yet"))
}

#[async_trait]
impl Provider for Salesforce {
    fn info(&self) -> &'static ProviderInfo {
        &INFO
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn access(&self) -> Result<Access> {
        access::report(&self.client).await
    }

    async fn describe(&self, kind: ObjectKind) -> Result<Schema> {
        schema::describe(&self.client, &mut Usage::default(), kind).await
    }

    async fn read(&self, request: ReadRequest) -> Result<Vec<Result<Page>>> {
        Ok(self.reader.read(request.into_parts()).await)
    }

    async fn search(&self, request: SearchRequest) -> Result<Page> {
        let region = self.client.config().phone_region;
        let searcher = Searcher { client: &self.client, reader: &self.reader, region };
        searcher.search(&request).await
    }

    async fn write(&self, request: WriteRequest) -> Result<WriteReport> {
        Ok(self.writer.write(&self.reader, request).await)
    }

    async fn changes(&self, _request: ChangesRequest) -> Result<ChangesPage> {
        Err(unsupported("waiting for changes"))
    }

    async fn custom_classes(&self) -> Result<Vec<CustomObjectClass>> {
        self.custom.classes().await
    }

    async fn custom_class(&self, name: &str) -> Result<CustomObjectClass> {
        self.custom.class(name).await
    }

    async fn custom_read(&self, request: CustomRead) -> Result<CustomPage> {
        self.custom.read(&request).await
    }

    async fn custom_write(&self, request: CustomWrite) -> Result<WriteReport> {
        Ok(self.writer.write_custom(&self.reader, request).await)
    }

    async fn send(&self, request: RawRequest) -> Result<RawResponse> {
        let mut usage = Usage::default();
        Ok(self.client.raw(&mut usage, &request).await?)
    }
}
