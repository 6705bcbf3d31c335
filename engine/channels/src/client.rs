//! The client that all channels share: how long it waits, whom it trusts, and one request at a time.
//!
//! It follows no redirect, keeps no connection, tries nothing twice and asks no proxy. Its TLS is rustls with
//! ring, set up here and for nobody else in the process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::id::Instant;
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::retry;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::address::Address;
use crate::answer;
use crate::text;
use crate::undelivered::Undelivered;
use crate::unfit::Unfit;
use crate::unreached;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a request or a program may take as a whole.
const WHOLE: Duration = Duration::from_secs(30);

/// What delivers: made once, for all channels.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    connect: Duration,
    whole: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?}, {:?})", self.connect, self.whole)
    }
}

impl Client {
    /// A client with a connection in 10 seconds, a request or a program in 30 and a mail in 60. It reads the
    /// certificates that this machine trusts.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new() -> Result<Self, Unfit> {
        Self::with_timeouts(CONNECT, WHOLE)
    }

    /// A client that waits so long for a connection, and for a request or a program as a whole; for a mail,
    /// which takes many exchanges, twice as long.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn with_timeouts(connect: Duration, whole: Duration) -> Result<Self, Unfit> {
        let tls = tls().map_err(|error| Unfit::Tls(text::line(&error.to_string())))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(connect)
            .timeout(whole)
            .build()
            .map_err(|error| Unfit::Tls(text::line(&error.to_string())))?;
        Ok(Self { http, connect, whole })
    }

    /// How long a connection may take.
    pub(crate) fn connect_limit(&self) -> Duration {
        self.connect
    }

    /// How long a request or a program may take as a whole.
    pub(crate) fn whole_limit(&self) -> Duration {
        self.whole
    }

    /// How long a mail may take, from the first look for the server to its word that it has it.
    pub(crate) fn mail_limit(&self) -> Duration {
        self.whole.saturating_mul(2)
    }

    /// Posts JSON, once.
    pub(crate) async fn post(
        &self,
        address: &Address,
        mut headers: HeaderMap,
        body: String,
        now: Instant,
    ) -> Result<(), Undelivered> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = self.http.post(address.url().clone()).headers(headers).body(body);
        exchange(request, address, now).await
    }

    /// Asks for an address, once, without a body.
    pub(crate) async fn get(&self, address: &Address, now: Instant) -> Result<(), Undelivered> {
        exchange(self.http.get(address.url().clone()), address, now).await
    }
}

/// Sends a request, and judges the answer.
async fn exchange(
    request: RequestBuilder,
    address: &Address,
    now: Instant,
) -> Result<(), Undelivered> {
    let response = request
        .send()
        .await
        .map_err(|error| Undelivered::Failed(unreached::request(&address.place(), &error)))?;
    answer::judge(response, address, now).await
}

/// TLS as it is set up for requests: certificates that nothing can be made of are left out.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(tls.with_root_certificates(roots).with_no_client_auth())
}
