//! What every HTTP plugin needs once: client, OAuth, token cache, retries, redaction. Knows no CRM.
