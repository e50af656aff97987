//! Randomness from the operating system, for secrets and for jitter.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use unicrm_core::{Error, ErrorKind, Result};

/// 32 random bytes as 43 characters of base64url.
pub(crate) fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A duration between zero and `limit`, uniformly. Without randomness it is `limit`: late is better than in step.
pub(crate) fn jitter(limit: Duration) -> Duration {
    let mut bytes = [0_u8; 4];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => limit.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)),
        Err(_) => limit,
    }
}
