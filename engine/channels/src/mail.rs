//! Mail: what is told, written as one plain text, with an id that stays the same when it is sent again.
//!
//! It is handed over in `smtp`.

use std::time::{Duration, SystemTime};

use holdfast_kernel::id::Instant;
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, SinglePart};

use crate::client::Client;
use crate::outgoing::Outgoing;
use crate::smtp::{MailServer, Server};
use crate::text;
use crate::undelivered::Undelivered;
use crate::unfit::Unfit;

/// The most characters of a subject.
const LONGEST_SUBJECT: usize = 200;

/// The end of the year 9999, the last that the header `Date` can name.
const LAST_SECOND: u64 = 253_402_300_799;

/// Mail to one or more recipients.
#[derive(Clone, Debug)]
pub struct Mail {
    server: Server,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    /// Takes a server, who sends and who receives: each `name@example.org` or `Name <name@example.org>`.
    ///
    /// # Errors
    /// An address is not one, there is no recipient, or mail without TLS would leave this machine.
    pub fn new(server: &MailServer, from: &str, to: &[String]) -> Result<Self, Unfit> {
        let from = mailbox(from)?;
        let to: Vec<Mailbox> = to.iter().map(|to| mailbox(to)).collect::<Result<_, _>>()?;
        if to.is_empty() {
            return Err(Unfit::NoRecipient);
        }
        Ok(Self { server: Server::new(server)?, from, to })
    }

    pub(crate) async fn deliver(
        &self,
        outgoing: &Outgoing,
        client: &Client,
    ) -> Result<(), Undelivered> {
        let message = self.message(outgoing)?;
        self.server.send(&message, client).await
    }

    fn message(&self, outgoing: &Outgoing) -> Result<Message, Undelivered> {
        let by_program = HeaderName::new_from_ascii_str("Auto-Submitted");
        let builder = Message::builder()
            .message_id(Some(format!("<{}@{}>", outgoing.name(), self.domain())))
            .date(date(outgoing.at))
            .from(self.from.clone())
            .subject(subject(outgoing))
            .raw_header(HeaderValue::new(by_program, "auto-generated".to_owned()));
        let builder = self.to.iter().cloned().fold(builder, MessageBuilder::to);
        let message = builder.singlepart(SinglePart::plain(outgoing.plain()));
        message.map_err(|error| {
            let error = text::line(&error.to_string());
            Undelivered::Refused(format!("it cannot be written as a mail: {error}"))
        })
    }

    /// The domain of ids: one of the sender's own, so that nobody else makes the same.
    fn domain(&self) -> String {
        let domain = self.from.email.domain();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let domain = if domain.bytes().all(plain) { domain } else { "invalid" };
        format!("holdfast.{domain}")
    }
}

/// One mail address. What the reader of addresses would leave out without a word is refused.
fn mailbox(written: &str) -> Result<Mailbox, Unfit> {
    let unfit = || Unfit::Mailbox(text::line(written));
    let written = written.trim();
    let mailbox: Mailbox = written.parse().map_err(|_error| unfit())?;
    let address = mailbox.email.to_string();
    let whole = written == address || written.ends_with(&format!("<{address}>"));
    if whole && address.is_ascii() && !written.contains(char::is_control) {
        Ok(mailbox)
    } else {
        Err(unfit())
    }
}

/// The title, in which nothing is taken for an encoded word that is none of ours.
fn subject(outgoing: &Outgoing) -> String {
    text::characters(&outgoing.headline().replace("=?", "= ?"), LONGEST_SUBJECT)
}

fn date(Instant(micros): Instant) -> SystemTime {
    let seconds = u64::try_from(micros.div_euclid(1_000_000)).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_taken_and_anything_else_refused() {
        let check = |written: &str, expect: Option<&str>| {
            let read = mailbox(written).ok().map(|mailbox| mailbox.email.to_string());
            assert_eq!(read.as_deref(), expect, "{written}");
        };
        check(" ann@example.org ", Some("ann@example.org"));
        check("Ann <ann@example.org>", Some("ann@example.org"));
        check("ann@example.org, bob@example.org", None);
        check("ann@example.org\r\nBcc: bob@example.org", None);
        check("Ann <ann@example.org>\r\nBcc: bob@example.org", None);
        check("änn@example.org", None);
        check("ann", None);
        check("", None);
    }

    #[test]
    fn a_date_that_no_header_can_name_is_the_nearest_that_it_can() {
        let check = |micros: i64, seconds: u64| {
            let since = date(Instant(micros)).duration_since(SystemTime::UNIX_EPOCH);
            assert_eq!(since.unwrap().as_secs(), seconds);
        };
        check(1_795_539_661_999_999, 1_795_539_661);
        check(i64::MIN, 0);
        check(i64::MAX, LAST_SECOND);
    }
}
