//! The registry: which providers are linked into this program, and how to connect one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{ConnectFuture, ConnectRequest, Error, ErrorKind, Guard, Provider, ProviderInfo, Result, SignIn};

/// One plugin's entry: what it is and how to connect it. Const data and function pointers only.
///
/// A plugin exports one and registers it:
///
/// ```
/// use unicrm_core::{memory, Registration};
///
/// pub const PROVIDER: Registration = Registration::new(&memory::INFO, memory::capabilities, memory::connect);
/// unicrm_core::register_provider!(PROVIDER);
/// # fn main() {
/// assert_eq!(PROVIDER.info().slug, "memory");
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Registration {
    info: &'static ProviderInfo,
    capabilities: fn() -> crate::Capabilities,
    connect: fn(ConnectRequest) -> ConnectFuture,
    sign_in: Option<&'static dyn SignIn>,
}

impl Registration {
    /// An entry.
    #[must_use]
    pub const fn new(
        info: &'static ProviderInfo,
        capabilities: fn() -> crate::Capabilities,
        connect: fn(ConnectRequest) -> ConnectFuture,
    ) -> Self {
        Self { info, capabilities, connect, sign_in: None }
    }

    /// With the way in which people sign in and grants are taken back.
    #[must_use]
    pub const fn with_sign_in(mut self, sign_in: &'static dyn SignIn) -> Self {
        self.sign_in = Some(sign_in);
        self
    }

    /// What the provider is.
    #[must_use]
    pub const fn info(&self) -> &'static ProviderInfo {
        self.info
    }

    /// What the provider can do at the most; a linked account may be able to do less.
    #[must_use]
    pub fn capabilities(&self) -> crate::Capabilities {
        (self.capabilities)()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registration").field(&self.info.slug).finish()
    }
}

inventory::collect!(Registration);

#[doc(hidden)]
pub use inventory as __inventory;

/// Registers a plugin's [`Registration`], to be found by [`Registry::discover`].
///
/// The crate that calls it must be referred to by the host, if only by `use the_plugin as _;`: the compiler drops a
/// dependency that nothing refers to, and its registration with it, without a word. The facade crate `unicrm` does that
/// for each of its features.
#[macro_export]
macro_rules! register_provider {
    ($registration:expr) => {
        $crate::__inventory::submit! { $registration }
    };
}

/// The providers that a host can connect, sorted by slug.
///
/// ```
/// use unicrm_core::{memory, Registry};
/// let registry = Registry::new([memory::PROVIDER])?;
/// assert_eq!(registry.slugs(), ["memory"]);
/// assert!(registry.find("nosuch").is_err());
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registry(BTreeMap<&'static str, Registration>);

impl Registry {
    /// A registry of these. Two of the same slug are an error that names it.
    pub fn new(registrations: impl IntoIterator<Item = Registration>) -> Result<Self> {
        let mut registry = BTreeMap::new();
        for registration in registrations {
            let slug = registration.info.slug;
            if registry.insert(slug, registration).is_some() {
                return Err(Error::new(
                    ErrorKind::InvalidConfig,
                    format!("two providers are called {slug:?}; link only one of them"),
                ));
            }
        }
        Ok(Self(registry))
    }

    /// The providers that are linked into this program. None at all is an error that says what to do.
    pub fn discover() -> Result<Self> {
        let found = Self::new(inventory::iter::<Registration>.into_iter().copied())?;
        if found.0.is_empty() {
            return Err(Error::new(ErrorKind::InvalidConfig, "no provider is linked into this program")
                .with_advice(
                    "add `use unicrm as _;` (or `use the_plugin as _;`) to the crate root of the program",
                ));
        }
        Ok(found)
    }

    /// The slugs, sorted.
    #[must_use]
    pub fn slugs(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    /// The registrations, sorted by slug.
    pub fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.0.values()
    }

    /// The registration of this slug; an error lists those that there are.
    pub fn find(&self, slug: &str) -> Result<&Registration> {
        self.0.get(slug).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                format!("there is no provider {slug:?}; linked are {}", self.slugs().join(", ")),
            )
        })
    }

    /// How people sign in at this provider, and how grants are taken back; an error if it has no such thing.
    pub fn sign_in(&self, slug: &str) -> Result<&'static dyn SignIn> {
        let registration = self.find(slug)?;
        registration.sign_in.ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "nobody signs in at this provider")
                .with_provider(registration.info.slug)
                .with_operation("sign in")
        })
    }

    /// Connects a linked account: finds the plugin, lets it connect, and puts the [`Guard`] around it.
    pub async fn connect(&self, slug: &str, request: ConnectRequest) -> Result<Arc<dyn Provider>> {
        let registration = self.find(slug)?;
        let provider = (registration.connect)(request)
            .await
            .map_err(|error| error.with_provider(registration.info.slug).with_operation("connect"))?;
        Ok(Arc::new(Guard::new(provider)))
    }
}
