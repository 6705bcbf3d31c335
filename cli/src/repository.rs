//! The repository of this machine: the configured one, or one of our own that is made on first use.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_actions::repositories::{Opener, Repositories};
use holdfast_kernel::definition::SecretReference;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_repository::Repository;
use holdfast_runtime::chance;

use crate::environment;
use crate::error::Error;
use crate::output::Output;
use crate::secrets;
use crate::settings::Settings;

/// Where a repository is, and where its password is to be found.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) password: SecretReference,
    pub(crate) kind: Kind,
}

/// Whose repository it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The configuration names it: it is made by `holdfast init` or `holdfast repository init`.
    Configured,
    /// Nobody named one: it is made with its key on first use.
    Own,
}

/// The place of a repository; without a name of the one that is used where a workflow names none.
///
/// # Errors
/// The configuration has none of this name, or several and none is the default, or there is no home for one of our
/// own.
pub(crate) fn place(settings: &Settings, name: Option<&str>) -> Result<Place, String> {
    let configuration = &settings.configuration;
    let found = match name {
        Some(name) => {
            let names: Vec<&str> = configuration.repositories.keys().map(String::as_str).collect();
            let unknown = || match names.as_slice() {
                [] => format!("there is no repository `{name}`: the configuration names none"),
                names => {
                    format!("there is no repository `{name}`: there are {}", names.join(", "))
                }
            };
            Some(configuration.repositories.get(name).ok_or_else(unknown)?)
        }
        None => configuration.default_repository().map(|(_, repository)| repository),
    };
    if let Some(repository) = found {
        return Ok(Place {
            path: PathBuf::from(&repository.path),
            password: repository.password.clone(),
            kind: Kind::Configured,
        });
    }
    if !configuration.repositories.is_empty() {
        return Err(
            "the configuration has several repositories, and none is named `default`".to_owned()
        );
    }
    let missing = "there is no place for a repository: set HOME, or name one in holdfast.yaml";
    own().ok_or_else(|| missing.to_owned())
}

/// The place of a repository of our own.
pub(crate) fn own() -> Option<Place> {
    let data = environment::data_directory()?;
    let key = data.join("repository.key").to_string_lossy().into_owned();
    Some(Place {
        path: data.join("repository"),
        password: SecretReference::File(key),
        kind: Kind::Own,
    })
}

/// The repositories of a process, each opened when it is first asked for.
pub(crate) fn repositories(settings: &Settings, output: Output) -> Repositories {
    let settings = settings.clone();
    let default = settings.configuration.default_repository();
    // Our own has no name: none that a configuration could give.
    let default = default.map_or_else(String::new, |(name, _)| name.to_owned());
    let opener: Opener = Arc::new(move |name| open(&settings, name, output));
    Repositories::new(default, opener)
}

fn open(settings: &Settings, name: &str, output: Output) -> Result<Repository, Failure> {
    let invalid = |message| Failure::without_effect(Class::Invalid, message);
    let name = Some(name).filter(|name| !name.is_empty());
    let place = place(settings, name).map_err(invalid)?;
    if place.kind == Kind::Own && !place.path.join("config").exists() {
        return make_own(settings, &place, output);
    }
    let password = password(settings, &place)?;
    Repository::open(&place.path, &password).map_err(|refused| {
        let failure = Failure::from(refused);
        if failure.class == Class::NotFound && place.kind == Kind::Configured {
            let message = format!("{}; `holdfast repository init` makes it", failure.message);
            return Failure::without_effect(Class::NotFound, message);
        }
        failure
    })
}

/// The password of a repository.
pub(crate) fn password(settings: &Settings, place: &Place) -> Result<String, Failure> {
    secrets::value(&settings.allowed(), "the password of the repository", &place.password)
}

fn make_own(settings: &Settings, place: &Place, output: Output) -> Result<Repository, Failure> {
    let SecretReference::File(key) = &place.password else {
        return Err(Failure::without_effect(Class::Internal, "our own key is a file"));
    };
    let failed = |error: Error| Failure::without_effect(Class::Dependency, error.message);
    make_key(Path::new(key)).map_err(failed)?;
    let repository = Repository::create(&place.path, &password(settings, place)?)?;
    output.talk(format!(
        "A new repository was made in {}.\nKeep a copy of its key {key} somewhere else: without it nothing can be restored.",
        place.path.display()
    ));
    Ok(repository)
}

/// Makes a key file that only its owner can read, unless it is there.
///
/// # Errors
/// It cannot be written.
pub(crate) fn make_key(path: &Path) -> Result<(), Error> {
    if path.exists() {
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        Error::unavailable(format!("The key {} cannot be made: {error}.", path.display()))
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let secret = chance::secret().map_err(|error| {
        Error::unavailable(format!("The system gives no random bytes: {error}."))
    })?;
    write_new(path, &format!("{secret}\n"), 0o600).map_err(failed)
}

/// Writes a file that is not there yet: beside its place, synced, then linked to it.
///
/// # Errors
/// It is there, or cannot be written.
pub(crate) fn write_new(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let beside = folder.join(format!(".{name}.{}.new", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    linked?;
    fs::File::open(folder)?.sync_all()
}
