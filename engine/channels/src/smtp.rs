//! Hands one mail over to one server, and says what its answers mean.
//!
//! A recipient whom the server refuses for good does not keep the mail from the others; one that it refuses for
//! now keeps it from all, so that nobody gets it twice. It never falls back to a connection that is not
//! encrypted.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use holdfast_contract::secret::Mask;
use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls, TlsParameters};
use lettre::transport::smtp::commands;
use lettre::transport::smtp::extension::ClientId;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::client::Client;
use crate::secret::Secret;
use crate::text;
use crate::undelivered::Undelivered;
use crate::unfit::Unfit;
use crate::unreached;

/// A mail server as it is configured.
#[derive(Clone, Debug)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// A user and a password, if it wants them.
    pub credentials: Option<(Secret, Secret)>,
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte; usually port 465.
    Implicit,
    /// TLS after a word in the open, without which nothing is sent; usually port 587.
    StartTls,
    /// None; only to a server of this machine.
    None,
}

/// A mail server to hand mails over to.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    mask: Mask,
}

impl Server {
    /// Takes a server, and reads the certificates that this machine trusts if it needs them.
    pub(crate) fn new(server: &MailServer) -> Result<Self, Unfit> {
        let host = server.host.trim().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(Unfit::NoHost);
        }
        let parameters = || {
            let parameters = TlsParameters::new(host.clone());
            parameters.map_err(|error| Unfit::Tls(text::line(&error.to_string())))
        };
        let tls = match server.security {
            Security::Implicit => Tls::Wrapper(parameters()?),
            Security::StartTls => Tls::Required(parameters()?),
            Security::None if is_here(&host) => Tls::None,
            Security::None => return Err(Unfit::Unprotected(text::line(&host))),
        };
        let mut mask = Mask::default();
        let credentials = server.credentials.as_ref().map(|(user, password)| {
            mask.add(user.text());
            mask.add(password.text());
            Credentials::new(user.text().to_owned(), password.text().to_owned())
        });
        Ok(Self { host, port: server.port, tls, credentials, mask })
    }

    /// Hands a mail over.
    pub(crate) async fn send(&self, message: &Message, client: &Client) -> Result<(), Undelivered> {
        let exchange = self.exchange(message, client.connect_limit());
        let Ok(accepted) = timeout(client.mail_limit(), exchange).await else {
            return Err(Undelivered::Failed(unreached::late(&self.place())));
        };
        // The mail is the server's now, whatever becomes of the farewell.
        drop(timeout(client.connect_limit(), accepted?.quit()).await);
        Ok(())
    }

    async fn exchange(
        &self,
        message: &Message,
        limit: Duration,
    ) -> Result<AsyncSmtpConnection, Undelivered> {
        let mut connection = self.open(limit).await?;
        self.sign_in(&mut connection).await?;
        self.hand_over(&mut connection, message).await?;
        Ok(connection)
    }

    async fn open(&self, limit: Duration) -> Result<AsyncSmtpConnection, Undelivered> {
        let place = self.place();
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
        if found.is_empty() {
            return Err(Undelivered::Failed(format!("the name of {place} does not resolve")));
        }
        let hello = ClientId::default();
        let wrapped =
            if let Tls::Wrapper(parameters) = &self.tls { Some(parameters.clone()) } else { None };
        let opened = AsyncSmtpConnection::connect_tokio1(
            found.as_slice(),
            Some(limit),
            &hello,
            wrapped,
            None,
        );
        let mut connection = opened.await.map_err(|error| self.failed(&error))?;
        if let Tls::Required(parameters) = &self.tls {
            if !connection.can_starttls() {
                return Err(Undelivered::Failed(format!("{place} does not offer STARTTLS")));
            }
            let upgraded = connection.starttls(parameters.clone(), &hello).await;
            upgraded.map_err(|error| self.failed(&error))?;
        }
        Ok(connection)
    }

    /// Whatever goes wrong here, somebody can mend it.
    async fn sign_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), Undelivered> {
        let Some(credentials) = &self.credentials else {
            return Ok(());
        };
        if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            let reason = format!("{} takes no user and password", self.place());
            return Err(Undelivered::Failed(reason));
        }
        let signed_in = connection.auth(DEFAULT_MECHANISMS, credentials).await;
        signed_in.map_err(|error| self.failed(&error))?;
        Ok(())
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        message: &Message,
    ) -> Result<(), Undelivered> {
        let envelope = message.envelope();
        let sender = commands::Mail::new(envelope.from().cloned(), Vec::new());
        connection.command(sender).await.map_err(|error| self.verdict(&error))?;
        let mut refused = Vec::new();
        for recipient in envelope.to() {
            let recipient = commands::Rcpt::new(recipient.clone(), Vec::new());
            let answer = connection.command(recipient).await;
            match answer.map_err(|error| self.verdict(&error)) {
                Ok(_) => {}
                Err(Undelivered::Refused(reason)) => refused.push(reason),
                Err(other) => return Err(other),
            }
        }
        let all = envelope.to().len();
        if refused.len() < all {
            connection.command(commands::Data).await.map_err(|error| self.verdict(&error))?;
            let content = message.formatted();
            connection.message(&content).await.map_err(|error| self.verdict(&error))?;
        }
        match refused.first() {
            None => Ok(()),
            Some(reason) if refused.len() == all => Err(Undelivered::Refused(reason.clone())),
            Some(reason) => Err(Undelivered::Refused(format!(
                "{} of {all} recipients do not get it, the others have it: {reason}",
                refused.len()
            ))),
        }
    }

    /// What an error of a mail means that is being handed over.
    fn verdict(&self, error: &Error) -> Undelivered {
        let code = error.status().map_or(0, u16::from);
        // The server wants us to sign in, or in another way.
        let is_mendable = matches!(code, 530 | 534 | 535 | 538);
        if code < 500 || is_mendable {
            self.failed(error)
        } else {
            Undelivered::Refused(self.reason(error))
        }
    }

    fn failed(&self, error: &Error) -> Undelivered {
        Undelivered::Failed(self.reason(error))
    }

    fn reason(&self, error: &Error) -> String {
        let place = self.place();
        if let Some(code) = error.status() {
            let said = error.source().map(ToString::to_string).unwrap_or_default();
            let said = text::excerpt(&self.mask.text(&said));
            return format!("{place} answers {code} {said}").trim_end().to_owned();
        }
        if error.is_response() {
            return format!("{place} breaks off, or is no mail server");
        }
        unreached::why(&place, error)
    }

    /// What is named of it.
    fn place(&self) -> String {
        format!("the mail server {}:{}", text::line(&self.host), self.port)
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_leaves_the_machine_under_tls_only() {
        let check = |host: &str, security: Security, expect: Option<Unfit>| {
            let settings =
                MailServer { host: host.to_owned(), port: 25, security, credentials: None };
            assert_eq!(Server::new(&settings).err(), expect, "{host}");
        };
        check("localhost", Security::None, None);
        check("127.0.0.53", Security::None, None);
        check("[::1]", Security::None, None);
        check("mail.example.org", Security::StartTls, None);
        check("192.0.2.1", Security::Implicit, None);
        let elsewhere = |host: &str| Some(Unfit::Unprotected(host.to_owned()));
        check("mail.example.org", Security::None, elsewhere("mail.example.org"));
        check("localhost.example.org", Security::None, elsewhere("localhost.example.org"));
        check("192.0.2.1", Security::None, elsewhere("192.0.2.1"));
        check(" ", Security::None, Some(Unfit::NoHost));
    }
}
