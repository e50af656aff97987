//! `unicrm`: every CRM from the command line.

mod cli;
mod commands;
mod errors;
mod input;
mod interrupt;
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
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    with_one_arena();
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

/// Starts the program anew with one allocation arena, unless the environment says how many there are.
///
/// The GNU allocator keeps an arena for each thread, and pages of records that one thread reads and another frees
/// leave holes in all of them: measured, twice the memory for the same work. It takes the number from the environment alone.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn with_one_arena() {
    use std::os::unix::process::CommandExt;

    const ARENAS: &str = "MALLOC_ARENA_MAX";
    if std::env::var_os(ARENAS).is_some() {
        return;
    }
    let mut arguments = std::env::args_os();
    if let (Some(name), Ok(program)) = (arguments.next(), std::env::current_exe()) {
        // It returns only when it fails; then more memory is all that it costs to go on.
        let _error = std::process::Command::new(program).arg0(name).args(arguments).env(ARENAS, "1").exec();
    }
}
