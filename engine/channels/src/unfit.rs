//! Why a channel cannot be made of what was configured.

/// What is wrong with the settings of a channel.
///
/// The text is a lower-case fragment that fits after "cannot …:", and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The address is not a URL.
    #[error("the address is not a URL")]
    NotUrl,
    /// The address is a URL of another kind.
    #[error("the address begins neither with `https://` nor with `http://`")]
    Scheme,
    /// There is no host.
    #[error("the address names no host")]
    NoHost,
    /// The address of an ntfy server has a path.
    #[error("the address of an ntfy server ends after its host: the topic is given on its own")]
    Path,
    /// The topic is not one that ntfy takes.
    #[error("a topic has 1 to 64 letters, digits, `-` and `_`")]
    Topic,
    /// A header's name cannot stand in a request.
    #[error("`{0}` is not the name of a header")]
    HeaderName(String),
    /// A header is ours to set.
    #[error("the header `{0}` is set by holdfast itself")]
    HeaderTaken(String),
    /// A header's value cannot stand in a request.
    #[error("the value of the header `{0}` has characters that a header cannot have")]
    HeaderValue(String),
    /// A mail address cannot be read, or is more than one.
    #[error("`{0}` is not one mail address in ASCII")]
    Mailbox(String),
    /// A mail has no recipient.
    #[error("a mail has at least one recipient")]
    NoRecipient,
    /// Mail without TLS would leave the machine.
    #[error("mail without TLS goes to this machine only, and `{0}` is another")]
    Unprotected(String),
    /// A command has no program.
    #[error("a command names a program")]
    NoProgram,
    /// A command's program would have to be searched for.
    #[error("`{0}` is not the absolute path of a program")]
    NotAbsolute(String),
    /// What encrypts cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}
