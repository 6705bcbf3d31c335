//! Webhooks: a request with JSON to a program, signed if both share a secret.
//!
//! The texts are handed over as they are, escaped as JSON demands: what shows them must clean them.

use std::collections::BTreeMap;

use holdfast_contract::time::written;
use holdfast_kernel::id::Instant;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use crate::address::Address;
use crate::client::Client;
use crate::outgoing::{Entry, Outgoing};
use crate::secret::Secret;
use crate::signature::signature;
use crate::text;
use crate::undelivered::Undelivered;
use crate::unfit::Unfit;

const NOTIFICATION: &str = "holdfast-notification";
const SIGNATURE: &str = "holdfast-signature";

/// Headers that are ours to set.
const TAKEN: [&str; 7] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    NOTIFICATION,
    SIGNATURE,
];

/// A webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    address: Address,
    secret: Option<Secret>,
    headers: HeaderMap,
}

impl Webhook {
    /// Takes the address, the secret that signs if there is one, and headers that are sent besides.
    ///
    /// # Errors
    /// The address is not one, or a header cannot be sent.
    pub fn new(
        url: &Secret,
        secret: Option<Secret>,
        headers: &BTreeMap<String, Secret>,
    ) -> Result<Self, Unfit> {
        let mut address = Address::read(url)?;
        if let Some(secret) = &secret {
            address.hide(secret);
        }
        let mut own = HeaderMap::new();
        for (name, value) in headers {
            address.hide(value);
            let (name, value) = header(name, value)?;
            own.insert(name, value);
        }
        Ok(Self { address, secret, headers: own })
    }

    pub(crate) async fn deliver(
        &self,
        outgoing: &Outgoing,
        client: &Client,
        now: Instant,
    ) -> Result<(), Undelivered> {
        let body = body(outgoing);
        let mut headers = self.headers.clone();
        headers.insert(NOTIFICATION, value(&outgoing.name())?);
        if let Some(secret) = &self.secret {
            let seconds = now.0.div_euclid(1_000_000);
            headers.insert(SIGNATURE, value(&signature(secret, seconds, body.as_bytes()))?);
        }
        client.post(&self.address, headers, body, now).await
    }
}

/// A header that was configured.
fn header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), Unfit> {
    let shown = || text::line(name);
    let Ok(key) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(Unfit::HeaderName(shown()));
    };
    if TAKEN.contains(&key.as_str()) {
        return Err(Unfit::HeaderTaken(shown()));
    }
    let Ok(mut value) = HeaderValue::from_str(value.text()) else {
        return Err(Unfit::HeaderValue(shown()));
    };
    value.set_sensitive(true);
    Ok((key, value))
}

/// The value of a header of ours.
fn value(text: &str) -> Result<HeaderValue, Undelivered> {
    HeaderValue::from_str(text).map_err(|error| Undelivered::Refused(error.to_string()))
}

/// The whole notification as JSON.
pub(crate) fn body(outgoing: &Outgoing) -> String {
    let facts = outgoing.facts.iter();
    let facts: Map<String, Value> =
        facts.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let entries: Vec<Value> = outgoing.entries.iter().map(entry).collect();
    let body = json!({
        "id": outgoing.id,
        "at": written(outgoing.at),
        "level": outgoing.level.word(),
        "title": outgoing.title,
        "text": outgoing.text,
        "facts": facts,
        "command": outgoing.command,
        "entries": entries,
    });
    body.to_string()
}

fn entry(entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "at": written(entry.at),
        "level": entry.level.word(),
        "title": entry.title,
    })
}
