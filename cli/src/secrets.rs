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
        let missing = |message: String| Failure::without_effect(Class::Auth, message);
        match definition.secrets.get(name) {
            None => Err(missing(format!("the workflow declares no secret `{name}`"))),
            Some(SecretReference::Env(variable)) => environment::variable(variable).ok_or_else(|| {
                missing(format!("the secret `{name}` is not there: the environment variable {variable} is not set"))
            }),
            Some(SecretReference::File(path)) => std::fs::read_to_string(path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| missing(format!("the secret `{name}` cannot be read from {path}: {error}"))),
            Some(SecretReference::Command(argv)) => secret_command::read(&self.allowed, argv)
                .map_err(|failure| missing(format!("the secret `{name}` is not there: {}", failure.message))),
        }
    }
}
