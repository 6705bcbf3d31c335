//! ntfy: a short message to phones, posted as JSON to the root of a server.

use holdfast_contract::records::Level;
use holdfast_kernel::id::Instant;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::json;

use crate::address::Address;
use crate::client::Client;
use crate::outgoing::Outgoing;
use crate::secret::Secret;
use crate::text;
use crate::undelivered::Undelivered;
use crate::unfit::Unfit;

/// The most bytes of a topic.
const LONGEST_TOPIC: usize = 64;

/// The most bytes of a title.
const LONGEST_TITLE: usize = 250;

/// The most bytes of a message: a longer one would become a file.
const LONGEST_MESSAGE: usize = 4_096;

/// The most bytes of a message as JSON: a server reads no more than 8,192 bytes of a request, all in all.
const LONGEST_JSON: usize = 7_168;

/// A topic of an ntfy server. Who knows its name reads along, so it is a secret.
#[derive(Clone, Debug)]
pub struct Ntfy {
    address: Address,
    topic: Secret,
    headers: HeaderMap,
}

impl Ntfy {
    /// Takes the server's address, a topic, and the token that opens it if there is one.
    ///
    /// # Errors
    /// The address is not that of a server, the topic is not one, or the token cannot be sent.
    pub fn new(server: &Secret, topic: &Secret, token: Option<&Secret>) -> Result<Self, Unfit> {
        let mut address = Address::read(server)?;
        if address.url().path() != "/" || address.url().query().is_some() {
            return Err(Unfit::Path);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let length = topic.text().len();
        if !(1..=LONGEST_TOPIC).contains(&length) || !topic.text().bytes().all(allowed) {
            return Err(Unfit::Topic);
        }
        address.hide(topic);
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            address.hide(token);
            headers.insert(AUTHORIZATION, bearer(token)?);
        }
        Ok(Self { address, topic: topic.clone(), headers })
    }

    pub(crate) async fn deliver(
        &self,
        outgoing: &Outgoing,
        client: &Client,
        now: Instant,
    ) -> Result<(), Undelivered> {
        client.post(&self.address, self.headers.clone(), self.body(outgoing), now).await
    }

    fn body(&self, outgoing: &Outgoing) -> String {
        let title = text::fit(&outgoing.headline(), LONGEST_TITLE, char::len_utf8);
        let message = text::fit(&outgoing.plain(), LONGEST_MESSAGE, char::len_utf8);
        let message = text::fit(&message, LONGEST_JSON, text::json_size);
        // A server puts a word of its own where a message is empty.
        let message = if message.is_empty() { title.clone() } else { message };
        let (priority, tag) = match outgoing.level {
            Level::Info => (3, "information_source"),
            Level::Warning => (4, "warning"),
            Level::Error => (5, "rotating_light"),
        };
        let body = json!({
            "topic": self.topic.text(),
            "title": title,
            "message": message,
            "priority": priority,
            "tags": [tag],
        });
        body.to_string()
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue, Unfit> {
    let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.text())) else {
        return Err(Unfit::HeaderValue("authorization".to_owned()));
    };
    value.set_sensitive(true);
    Ok(value)
}
