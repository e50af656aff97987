//! The log, on stderr.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::output::colours;

/// Starts to log: as `RUST_LOG` says, or else warnings, and more with each `-v`.
pub(crate) fn start(verbose: u8) {
    let of_ours = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let filter =
        EnvFilter::builder().with_default_directive(of_ours.into()).with_env_var("RUST_LOG").from_env_lossy();
    let stderr = std::io::stderr();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(colours(stderr.is_terminal()))
        .with_writer(std::io::stderr)
        .with_filter(filter.and(filter_fn(shows_no_secret)));
    // A second start is a second call in one process: the first one stays.
    drop(tracing_subscriber::registry().with(layer).try_init());
}

/// HTTP libraries print headers and bodies below the level of information, and tokens with them: they are never shown.
fn shows_no_secret(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("unicrm") || *metadata.level() <= Level::INFO
}
