//! Ctrl-C and termination: the first lets what is under way come to a good end, the second does not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use unicrm_sync::Stop;

use crate::errors::Exit;

/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// What a shell reports of a program that was terminated.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// Watches for signals while something that can be stopped is under way.
#[derive(Debug)]
pub(crate) struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// The first signal asks the run to end after its page; whatever is committed by then is whole, so the second may end the
    /// program on the spot.
    pub(crate) fn stops(stop: Stop) -> Self {
        let exit = Arc::new(AtomicU8::new(0));
        let noted = Arc::clone(&exit);
        tokio::spawn(async move {
            noted.store(signal().await, Ordering::Relaxed);
            stop.stop();
            eprintln!("Finishing the pages that are under way; once more stops at once.");
            std::process::exit(i32::from(signal().await));
        });
        Self(exit)
    }

    /// How the program is to end; none when no signal came.
    pub(crate) fn exit(&self) -> Option<Exit> {
        Some(self.0.load(Ordering::Relaxed)).filter(|code| *code > 0).map(Exit::of_signal)
    }
}

/// Waits for a signal, and gives the exit code that belongs to it.
pub(crate) async fn signal() -> u8 {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        return tokio::select! {
            _ = tokio::signal::ctrl_c() => INTERRUPTED,
            _ = terminate.recv() => TERMINATED,
        };
    }
    // Where signals cannot be watched they end the program as usual.
    match tokio::signal::ctrl_c().await {
        Ok(()) => INTERRUPTED,
        Err(_) => std::future::pending().await,
    }
}
