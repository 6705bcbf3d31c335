//! Reads declared secrets: from the environment, from a file, or from what a program prints.

use holdfast_actions::allow::AllowedCommands;
use holdfast_actions::secret_command;
use holdfast_kernel::definition::{Definition, SecretReference};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_runtime::scope::Secrets;

use crate::environment;

/// The secrets that workflows declare.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredSecrets {
    /// The programs that may be executed.
    pub(crate) allowed: AllowedCommands,
}

impl Secrets for DeclaredSecrets {
    fn read(&self, definition: &Definition, name: &str) -> Result<String, Failure> {
        match definition.secrets.get(name) {
            None => {
                let message = format!("the workflow declares no secret `{name}`");
                Err(Failure::without_effect(Class::Auth, message))
            }
            Some(reference) => value(&self.allowed, &format!("the secret `{name}`"), reference),
        }
    }
}

/// The value of a secret; `what` is what messages call it.
///
/// # Errors
/// Class `auth`: it is not there, or could not be read.
pub(crate) fn value(
    allowed: &AllowedCommands,
    what: &str,
    reference: &SecretReference,
) -> Result<String, Failure> {
    let missing = |message: String| Failure::without_effect(Class::Auth, message);
    match reference {
        SecretReference::Env(variable) => environment::variable(variable).ok_or_else(|| {
            let message =
                format!("{what} is not there: the environment variable {variable} is not set");
            missing(message)
        }),
        SecretReference::File(path) => std::fs::read_to_string(path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|error| missing(format!("{what} cannot be read from {path}: {error}"))),
        SecretReference::Command(argv) => secret_command::read(allowed, argv)
            .map_err(|failure| missing(format!("{what} is not there: {}", failure.message))),
    }
}
