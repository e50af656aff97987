//! The encrypted side: a port that any host's name leads to. It opens tunnels itself, as an HTTP proxy would that never
//! dials out, and speaks TLS for every name with certificates of its own authority. So clients that know no host but
//! `login.salesforce.com` reach the emulator unmodified, once they trust that authority and use the port as their proxy.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring::{default_provider, sign::any_ecdsa_type};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::link::Wire;
use crate::org::lock;

/// How long a caller may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look, a millisecond apart, whether the first word has arrived whole.
const MAX_LOOKS: usize = 500;
/// Longest head of a request for a tunnel.
const MAX_HEAD: usize = 8_192;
/// Names with a certificate that is kept; others get a new one each time.
const MAX_NAMES: usize = 1_000;

/// An authority of one emulator's own, and the tunnels that it answers for.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    ca_pem: Arc<str>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Makes an authority; its key exists nowhere else.
    pub(crate) fn generate() -> io::Result<Self> {
        let authority = Authority::generate().map_err(io::Error::other)?;
        let ca_pem = authority.pem.as_str().into();
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(authority));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem })
    }

    /// The authority's certificate, which clients must trust.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Finds out what a caller wants: a tunnel first, then TLS or plain HTTP.
    pub(crate) async fn open(&self, tcp: TcpStream) -> io::Result<Wire> {
        tokio::time::timeout(PATIENCE, self.greet(tcp)).await?
    }

    async fn greet(&self, mut tcp: TcpStream) -> io::Result<Wire> {
        if begins_with(&tcp, b"CONNECT ").await? {
            tunnel(&mut tcp).await?;
        }
        // The first byte of a TLS handshake.
        if begins_with(&tcp, b"\x16").await? {
            return Ok(Wire::Tls(Box::new(self.acceptor.accept(tcp).await?)));
        }
        Ok(Wire::Plain(tcp))
    }
}

/// Whether these bytes come first, without taking them.
async fn begins_with(tcp: &TcpStream, wanted: &[u8]) -> io::Result<bool> {
    let mut seen = [0u8; 16];
    for _ in 0..MAX_LOOKS {
        let count = tcp.peek(&mut seen).await?;
        let known = seen.get(..count.min(wanted.len())).unwrap_or_default();
        if count == 0 || !wanted.starts_with(known) {
            return Ok(false);
        }
        if known.len() == wanted.len() {
            return Ok(true);
        }
        // The rest is on its way.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(false)
}

/// Answers a request for a tunnel. Whatever host it names, the tunnel ends here.
async fn tunnel(tcp: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // Byte by byte: what follows the head belongs to the tunnel.
        head.push(tcp.read_u8().await?);
    }
    tcp.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n").await
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    certificate: rustls::pki_types::CertificateDer<'static>,
    issued: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    fn generate() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = dated(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Salesforce emulator, for tests only");
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            issued: Mutex::default(),
        })
    }

    /// A certificate for this name, and with a name of none for the machine itself.
    fn issue(&self, name: Option<&str>) -> Result<Arc<CertifiedKey>, rcgen::Error> {
        let names = match name {
            Some(name) => vec![name.to_owned()],
            None => vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
        };
        let key = KeyPair::generate()?;
        let mut params = dated(names)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name.push(DnType::CommonName, name.unwrap_or("localhost"));
        let certificate = params.signed_by(&key, &self.issuer)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = any_ecdsa_type(&private).map_err(|_| rcgen::Error::RemoteKeyError)?;
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        Ok(Arc::new(CertifiedKey::new(chain, signer)))
    }
}

/// A certificate that is good from last month to the end of next year: some clients refuse those that live longer.
fn dated(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let year = i32::from(jiff::Zoned::now().year());
    params.not_before = date_time_ymd(year - 1, 12, 1);
    params.not_after = date_time_ymd(year + 1, 12, 31);
    params.distinguished_name = rcgen::DistinguishedName::new();
    Ok(params)
}

impl ResolvesServerCert for Authority {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let place = name.unwrap_or_default().to_ascii_lowercase();
        if let Some(known) = lock(&self.issued).get(&place) {
            return Some(Arc::clone(known));
        }
        let made = match self.issue(name) {
            Ok(made) => made,
            Err(error) => {
                tracing::warn!(%error, name, "no certificate can be made for this name");
                return None;
            }
        };
        let mut issued = lock(&self.issued);
        if issued.len() < MAX_NAMES {
            issued.insert(place, Arc::clone(&made));
        }
        Some(made)
    }
}
