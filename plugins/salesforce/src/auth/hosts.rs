//! The hosts that may see a token.

use unicrm_core::Result;
use unicrm_http::HostPolicy;
use url::{Host, Url};

use crate::config::SalesforceConfig;

/// Salesforce's own domains on which logins and APIs live: My Domain hosts of production, sandboxes and trials, the older
/// instance hosts, Government Cloud, and the hosts in China. Domains that only serve pages and files are not among them.
const SUFFIXES: [&str; 6] = [
    ".salesforce.com",
    ".force.com",
    ".cloudforce.com",
    ".salesforce.mil",
    ".cloudforce.mil",
    ".sfcrmproducts.cn",
];

/// Salesforce's hosts, those that the user allowed, and this machine. The login's own host has to be one of them.
pub(crate) fn host_policy(config: &SalesforceConfig) -> Result<HostPolicy> {
    let start = HostPolicy::new(SUFFIXES)?;
    let policy = config.allow_hosts.iter().try_fold(start, |policy, host| policy.allow_host(host))?;
    policy.check(&config.login_url)?;
    Ok(policy)
}

/// Whether a URL names this machine.
pub(crate) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
