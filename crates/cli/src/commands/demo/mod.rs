//! `unicrm demo`: the whole way once, against a CRM that runs in this process.

mod call;
mod changes;
mod report;

use clap::Args;
use tempfile::TempDir;
use unicrm_core::{Credentials, Json, ObjectKind, Provider};
use unicrm_salesforce_emulator::Emulator;
use unicrm_store::{LinkRequest, LinkedAccount};
use unicrm_sync::{Options, Summary};

use super::{check, emulator, sync};
use crate::cli::Global;
use crate::errors::{Exit, Failure, Result};
use crate::progress::Progress;
use crate::session::Session;

/// The name of the linked account.
const NAME: &str = "demo";

/// From here on pages are small and few are read at once: what is in memory depends on nothing else.
const MANY_CONTACTS: u64 = 20_000;
const SMALL_PAGE: u32 = 200;

/// Show the whole way once, with a Salesforce org on this machine
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  unicrm demo\n  unicrm demo --contacts 100000 --db demo.db\n\n\
    Nothing leaves this machine. Without --db nothing stays on it either.")]
pub(crate) struct Arguments {
    /// How many contacts the org has; everything else follows from it
    #[arg(long, value_name = "N", default_value_t = 2_500, value_parser = clap::value_parser!(u64).range(10..))]
    contacts: u64,
}

pub(crate) async fn run(arguments: Arguments, global: &Global) -> Result<Exit> {
    tokio::select! {
        done = play(&arguments, global) => done,
        // Dropping the play ends the org and removes what is temporary.
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err(Failure::new("interrupted"))
        }
    }
}

async fn play(arguments: &Arguments, global: &Global) -> Result<Exit> {
    let mut stage = Stage::set(arguments, global).await?;
    let (account, provider) = stage.link().await?;
    let before = stage.sync(&account, &*provider, true).await?;
    let mut exit = sync::exit(&before);

    let mut made = changes::make(&stage.emulator.org()).await?;
    let contact = made.iter().rfind(|change| change.object == ObjectKind::Contact);
    let contact = contact.map(|change| change.remote_id.clone()).unwrap_or_default();
    let (call, logged) = call::log(&*provider, &stage.emulator.org(), &contact).await?;
    made.push(logged);
    let after = stage.sync(&account, &*provider, false).await?;
    exit = exit.and(sync::exit(&after));
    sync::explain(&before);
    sync::explain(&after);
    let outcome = report::Outcome::collect(&stage.session, &account, before, after, made, call).await?;
    outcome.verify(&stage.emulator.org()).await?;
    if global.json {
        crate::output::json_line(&outcome)?;
    } else {
        outcome.print(global.db.as_deref())?;
    }
    stage.strike().await;
    Ok(exit)
}

/// Everything that the demo runs on.
struct Stage {
    emulator: Emulator,
    session: Session,
    /// Whether the org is so large that memory is saved.
    large: bool,
    quiet: bool,
    /// The database, when none was named; it goes with it.
    temporary: Option<TempDir>,
}

impl Stage {
    async fn set(arguments: &Arguments, global: &Global) -> Result<Self> {
        let say = |text: &str| {
            if !global.json {
                eprintln!("{text}")
            }
        };
        // The demo writes into the database that was named for it, never into the one that the environment names.
        let (session, temporary) = if global.db.is_some() {
            (Session::open(global).await?, None)
        } else {
            let folder = TempDir::with_prefix("unicrm-demo-")?;
            (Session::open_in(folder.path()).await?, Some(folder))
        };
        say(&format!("Starting a Salesforce org with {} contacts on this machine ...", arguments.contacts));
        let emulator = Emulator::builder()
            .contacts(arguments.contacts)
            .start()
            .await
            .map_err(|error| emulator::failure(&error))?;
        say(&format!("It listens at {}.", emulator.url()));
        let large = arguments.contacts >= MANY_CONTACTS;
        Ok(Self { emulator, session, large, quiet: global.json, temporary })
    }

    /// Links the org through real OAuth, and checks that nothing is missing.
    async fn link(&mut self) -> Result<(LinkedAccount, std::sync::Arc<dyn Provider>)> {
        self.forget_last_demo().await?;
        let config = Json::of(&serde_json::json!({
            "flow": "client-credentials",
            "login_url": self.emulator.url(),
            "client_id": self.emulator.client_id(),
        }));
        let credentials =
            Credentials::new().with("client_secret", self.emulator.client_secret().to_owned().into());
        let request = LinkRequest::new(NAME, "salesforce").with_config(config).with_credentials(credentials);
        let account = self.session.store.link(request).await?;
        let provider = self.session.connect(&account).await?;
        let access = self.session.noting(account.id, provider.access().await).await?;
        if check::verdict(&access, provider.capabilities()) != Exit::DONE {
            let missing: Vec<_> = access.missing.iter().map(|missing| missing.what.as_str()).collect();
            return Err(Failure::new(format!(
                "the org does not permit what is needed: {}",
                missing.join(", ")
            )));
        }
        self.say(&format!("Linked as {}: nothing is missing.\n", access.identity.username));
        Ok((account, provider))
    }

    /// A demo before this one had another org: its records are not ours. An account that merely has the same name is let be.
    async fn forget_last_demo(&self) -> Result<()> {
        let accounts = self.session.store.linked_accounts().await?;
        let Some(last) = accounts.into_iter().find(|account| account.name == NAME) else { return Ok(()) };
        let config: serde_json::Value = last.config.read()?;
        let of_emulator =
            config["login_url"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:"));
        if !of_emulator {
            return Err(Failure::usage(format!(
                "this database has a linked account {NAME:?} that is not a demo"
            ))
            .advice("choose another --db, or leave it out"));
        }
        self.session.unlink(&last).await?;
        Ok(())
    }

    async fn sync(&self, account: &LinkedAccount, provider: &dyn Provider, first: bool) -> Result<Summary> {
        self.say(if first { "First sync: everything." } else { "\nSecond sync: what changed." });
        let mut options = Options { objects: ObjectKind::ALL.to_vec(), full: first, ..Options::default() };
        if self.large {
            options.concurrency = 2;
            options.page_size = Some(SMALL_PAGE);
        }
        let progress = (!self.quiet).then(Progress::new);
        let show = |event: &unicrm_sync::Event<'_>| {
            if let Some(progress) = &progress {
                progress.show(event);
            }
        };
        let summary = unicrm_sync::sync(provider, &*self.session.store, account.id, &options, &show).await;
        self.session.noting(account.id, summary).await
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Ends the org, and removes what is temporary.
    async fn strike(self) {
        self.emulator.shutdown().await;
        // The database is closed before its folder goes.
        drop(self.session);
        drop(self.temporary);
    }
}
