//! Which hosts may see a token.

use std::collections::BTreeSet;
use std::net::IpAddr;

use unicrm_core::{Error, ErrorKind, Result};
use url::{Host, Url};

use crate::redact::SafeUrl;

/// The hosts that a plugin may send requests to, and with them secrets.
///
/// A URL passes when it is `https` and its host is below one of the plugin's suffixes or was allowed by the user by
/// name, or when its host is this machine (`localhost`, `127.0.0.0/8`, `::1`), where plain `http` passes as well.
/// Everything else is refused, so a redirect or an instance URL out of an answer cannot carry a token away.
///
/// ```
/// use unicrm_http::HostPolicy;
/// let hosts = HostPolicy::new([".salesforce.com", ".force.com"])?.allow_host("crm.example.org")?;
/// assert!(hosts.check(&"https://acme.my.salesforce.com/services".parse().unwrap()).is_ok());
/// assert!(hosts.check(&"https://crm.example.org/".parse().unwrap()).is_ok());
/// assert!(hosts.check(&"http://127.0.0.1:8080/".parse().unwrap()).is_ok());
/// assert!(hosts.check(&"https://login.salesforce.com.evil.org/".parse().unwrap()).is_err());
/// assert!(hosts.check(&"http://acme.my.salesforce.com/".parse().unwrap()).is_err());
/// # Ok::<(), unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HostPolicy {
    suffixes: Vec<String>,
    hosts: BTreeSet<String>,
}

impl HostPolicy {
    /// A policy for hosts below these suffixes. Each starts with a dot and has at least two labels, such as
    /// `.salesforce.com`; it stands for subdomains only, not for `salesforce.com` itself.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for a suffix of another form.
    pub fn new<S: Into<String>>(suffixes: impl IntoIterator<Item = S>) -> Result<Self> {
        let suffixes = suffixes.into_iter().map(|suffix| checked_suffix(suffix.into()));
        Ok(Self { suffixes: suffixes.collect::<Result<_>>()?, hosts: BTreeSet::new() })
    }

    /// Allows one more host by its exact name (over `https`), as a user's own proxy or domain needs it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if it is not a plain host name or address.
    pub fn allow_host(mut self, host: &str) -> Result<Self> {
        let parsed = Host::parse(host).map_err(|_| invalid_host(host))?.to_string();
        if parsed.ends_with('.') {
            return Err(invalid_host(host));
        }
        self.hosts.insert(parsed);
        Ok(self)
    }

    /// Whether a request, and with it a token, may go to this URL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], saying which rule the URL breaks and what to do.
    pub fn check(&self, url: &Url) -> Result<()> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(url, "it carries a user name or password before the host")
                .with_advice("Remove everything between // and @ from the URL."));
        }
        let Some(host) = url.host() else {
            return Err(refused(url, "it has no host"));
        };
        let loopback = is_loopback(&host);
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => {
                return Err(refused(url, "plain http is allowed for this machine only")
                    .with_advice("Use https in the URL."));
            }
            _ => return Err(refused(url, "only https is allowed").with_advice("Use https in the URL.")),
        }
        if loopback || self.knows(&host.to_string()) {
            return Ok(());
        }
        Err(refused(url, "its host is not one of this provider's and was not allowed")
            .with_advice("If the host is yours, add it to the allowed hosts of this linked account."))
    }

    fn knows(&self, host: &str) -> bool {
        let below =
            |suffix: &String| host.strip_suffix(suffix.as_str()).is_some_and(|label| !label.is_empty());
        self.hosts.contains(host) || self.suffixes.iter().any(below)
    }
}

/// Whether the host is this machine. IPv4-mapped IPv6 addresses are not taken for it.
pub(crate) fn is_loopback(host: &Host<&str>) -> bool {
    match *host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(address).is_loopback(),
    }
}

fn checked_suffix(suffix: String) -> Result<String> {
    let labels = suffix.strip_prefix('.').unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed =
        labels.contains('.') && labels.split('.').all(|label| !label.is_empty() && label.chars().all(plain));
    if well_formed {
        Ok(suffix)
    } else {
        Err(Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "the host suffix {suffix:?} must look like \".example.com\": a dot, then two or more labels"
            ),
        ))
    }
}

fn invalid_host(host: &str) -> Error {
    let shown: String = host.chars().take(100).collect();
    Error::new(
        ErrorKind::InvalidConfig,
        format!("{shown:?} is not a host name: give the name alone, such as \"crm.example.com\""),
    )
}

fn refused(url: &Url, why: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("no request may go to {}: {why}", SafeUrl(url)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy() -> HostPolicy {
        HostPolicy::new([".salesforce.com", ".force.com"]).unwrap()
    }

    fn passes(policy: &HostPolicy, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| policy.check(&url).is_ok())
    }

    #[test]
    fn the_known_tricks_are_refused() {
        for url in [
            "https://salesforce.com.evil.org/",
            "https://evilsalesforce.com/",
            "https://salesforce.com/",
            "https://acme.my.salesforce.com./",
            "https://acme.my.salesforce.com@evil.org/",
            "https://user:secret@acme.my.salesforce.com/",
            "https://user@127.0.0.1/",
            "https://evil.org/.salesforce.com",
            "https://evil.org/?.salesforce.com",
            "https://evil.org#.salesforce.com",
            "https://evil.org\\.salesforce.com/",
            "http://acme.my.salesforce.com/",
            "ftp://acme.my.salesforce.com/",
            "file:///etc/passwd",
            "ws://127.0.0.1/",
            "http://localhost.evil.org/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/",
            "https://10.0.0.1/",
            "https://аcme.sаlesforce.com/",
        ] {
            assert!(!passes(&policy(), url), "{url} must be refused");
        }
    }

    #[test]
    fn the_honest_ones_pass() {
        for url in [
            "https://login.salesforce.com",
            "https://ACME.My.Salesforce.COM/services",
            "https://acme.my.salesforce.com:8443/",
            "https://acme.lightning.force.com/",
            "http://127.0.0.1:1234/x",
            "http://[::1]:1234/x",
            "http://localhost/x",
            "https://localhost/x",
        ] {
            assert!(passes(&policy(), url), "{url} must pass");
        }
    }

    #[test]
    fn a_host_that_the_user_allowed_passes_by_its_exact_name_and_over_https_only() {
        let policy = policy().allow_host("CRM.Example.org").unwrap();
        assert!(passes(&policy, "https://crm.example.org/"));
        assert!(!passes(&policy, "http://crm.example.org/"));
        assert!(!passes(&policy, "https://a.crm.example.org/"));
        for wrong in ["https://crm.example.org", "a b", "", "crm.example.org/x", "a@b", "crm.example.org."] {
            assert!(HostPolicy::default().allow_host(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_suffix_needs_its_dot_and_two_labels() {
        for wrong in ["salesforce.com", ".com", "", ".", "..com", ".Salesforce.com", ".a..b", "*.a.b"] {
            assert!(HostPolicy::new([wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_refusal_shows_neither_query_nor_user() {
        let url = Url::parse("https://me:s3cret@evil.org/path?sid=t0ken").unwrap();
        let error = policy().check(&url).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("evil.org/path"));
        assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
    }

    proptest! {
        #[test]
        fn only_hosts_whose_last_labels_are_the_suffix_pass(host in "[a-zA-Z0-9.@:/\\\\-]{0,20}(salesforce\\.com)?[a-z.@:/\\\\?#-]{0,12}") {
            let Ok(url) = Url::parse(&format!("https://{host}")) else { return Ok(()) };
            if policy().check(&url).is_ok() {
                let name = url.host_str().unwrap();
                let labels: Vec<_> = name.split('.').collect();
                let ours = labels.len() > 2 && labels[labels.len() - 2..] == ["salesforce", "com"];
                prop_assert!(ours || is_loopback(&url.host().unwrap()), "{url} passed");
                prop_assert!(url.username().is_empty() && url.password().is_none());
            }
        }

        #[test]
        fn every_subdomain_passes(label in "[a-z0-9]{1,20}(\\.[a-z0-9]{1,10}){0,3}") {
            let url = format!("https://{label}.salesforce.com/");
            prop_assume!(Url::parse(&url).is_ok());
            prop_assert!(passes(&policy(), &url));
        }

        #[test]
        fn no_other_address_than_loopback_passes(address in any::<u128>()) {
            let v6 = std::net::Ipv6Addr::from(address);
            prop_assert_eq!(passes(&policy(), &format!("http://[{v6}]/")), v6.is_loopback());
        }
    }
}
