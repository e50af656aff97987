//! `unicrm`: every CRM from the command line.

mod cli;
mod commands;
mod errors;
mod output;
mod progress;
mod secrets;
mod session;
mod settings;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

// The facade links the providers; nothing else of it is named here.
use unicrm as _;

fn main() -> ExitCode {
    let cli = Cli::parse();
    trace::start(cli.global.verbose);
    let verbose = cli.global.verbose > 0;
    // Few threads: what the allocator keeps for each grows with them. The network waits on one, and the store has its own.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(3).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return errors::report(&errors::Failure::from(error), verbose),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(exit) => exit.code(),
        Err(failure) => errors::report(&failure, verbose),
    }
}
