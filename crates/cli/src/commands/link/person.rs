//! The flows in which a person takes part: what is shown, and waiting for the answer.

use std::time::Duration;

use tokio::time::Instant;
use unicrm_core::{Credentials, Error, ErrorKind, SignIn, SignInRequest, SignInStep};

use super::callback::Callback;
use crate::errors::{Failure, Result};
use crate::output::plain;

/// Prints a page for the browser, and waits until it comes back to this machine with a code.
pub(super) async fn browser(
    sign_in: &dyn SignIn,
    request: SignInRequest,
    port: u16,
    patience: Duration,
) -> Result<Credentials> {
    let mut callback = Callback::listen(port).await?;
    let request = request.redirect_uri(callback.url());
    let SignInStep::Browser { url, pending } = sign_in.begin(request.clone()).await? else {
        return Err(Failure::new("this flow has no page to go to"));
    };
    eprintln!("Open this page in a browser on this machine, and allow the access:\n\n  {}\n", plain(&url));
    eprintln!("Waiting for it to come back to {} ...", callback.url());
    let deadline = Instant::now() + patience;
    loop {
        let arrival = tokio::time::timeout_at(deadline, callback.next()).await;
        let arrival = arrival.ok().flatten().ok_or_else(|| too_late(patience))?;
        let target = Some(arrival.target.clone());
        match sign_in.finish(request.clone(), pending.clone(), target).await {
            Ok(credentials) => {
                arrival.answer("Signed in", "You can close this page and go back to the terminal.").await;
                return Ok(credentials);
            }
            Err(error) => {
                let text = format!("{error}. The terminal says what to do.");
                arrival.answer("Not signed in", &text).await;
                // Whatever else of this machine calls here cannot end the waiting.
                if error.kind() != ErrorKind::InvalidRequest {
                    return Err(error.into());
                }
                eprintln!("note: {error}; still waiting");
            }
        }
    }
}

/// Prints a code and where to enter it, and waits until that was done.
pub(super) async fn device(
    sign_in: &dyn SignIn,
    request: SignInRequest,
    patience: Duration,
) -> Result<Credentials> {
    let SignInStep::Device { url, code, expires_in, pending } = sign_in.begin(request.clone()).await? else {
        return Err(Failure::new("this flow has no code to enter"));
    };
    eprintln!(
        "Open this page on any device:\n\n  {}\n\nand enter this code:\n\n  {}\n",
        plain(&url),
        plain(&code)
    );
    let patience = patience.min(expires_in);
    eprintln!("Waiting for at most {} seconds ...", patience.as_secs());
    match tokio::time::timeout(patience, sign_in.finish(request, pending, None)).await {
        Ok(credentials) => Ok(credentials?),
        Err(_) => Err(too_late(patience)),
    }
}

fn too_late(patience: Duration) -> Failure {
    let message = format!("nobody allowed the access within {} seconds", patience.as_secs());
    Error::new(ErrorKind::Unauthenticated, message)
        .with_advice("run the command again; --wait SECONDS waits longer")
        .into()
}
