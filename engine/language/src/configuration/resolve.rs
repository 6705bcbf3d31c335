//! Makes the paths of a configuration absolute, against the folder of its file.
//!
//! It touches no file: links are not followed and `..` stays, because what it leads to is not known here.

use std::path::{Path, PathBuf};

use holdfast_kernel::definition::SecretReference;
use thiserror::Error;

use super::{Address, ChannelKind, Configuration, TargetKind};

/// A folder that paths cannot be made absolute against; a fragment that fits after "cannot …:".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnfitFolder {
    /// It is not absolute itself.
    #[error("the folder {} is not an absolute path", .0.display())]
    NotAbsolute(PathBuf),
    /// Its path is no text, and paths of the configuration are.
    #[error("the path of the folder {} is not valid UTF-8", .0.display())]
    NotText(PathBuf),
}

impl Configuration {
    /// The same with every path absolute: of repositories, files with secrets, roots, exports and metrics.
    ///
    /// # Errors
    /// The folder's own path is not absolute, or is not valid UTF-8.
    pub fn resolved_against(mut self, folder: &Path) -> Result<Self, UnfitFolder> {
        if !folder.is_absolute() {
            return Err(UnfitFolder::NotAbsolute(folder.to_owned()));
        }
        if folder.to_str().is_none() {
            return Err(UnfitFolder::NotText(folder.to_owned()));
        }
        for repository in self.repositories.values_mut() {
            resolve(&mut repository.path, folder);
            resolve_secret(&mut repository.password, folder);
        }
        for target in self.targets.values_mut() {
            match &mut target.kind {
                TargetKind::Files(files) => resolve(&mut files.root, folder),
            }
        }
        for channel in self.channels.values_mut() {
            for reference in references(&mut channel.kind) {
                resolve_secret(reference, folder);
            }
        }
        for export in &mut self.allow.exports {
            resolve(export, folder);
        }
        if let Some(path) = &mut self.service.metrics_file {
            resolve(path, folder);
        }
        Ok(self)
    }
}

/// The references to secrets that a channel has.
fn references(kind: &mut ChannelKind) -> Vec<&mut SecretReference> {
    match kind {
        ChannelKind::Webhook { url, secret, headers } => {
            let addresses = std::iter::once(url).chain(headers.values_mut());
            addresses.filter_map(found_at).chain(secret).collect()
        }
        ChannelKind::Slack { url } | ChannelKind::Teams { url } => vec![url],
        ChannelKind::Ntfy { topic, token, .. } => {
            found_at(topic).into_iter().chain(token).collect()
        }
        ChannelKind::Mail(mail) => mail.login.iter_mut().map(|login| &mut login.password).collect(),
        ChannelKind::Command(_) => Vec::new(),
    }
}

/// Where an address is found, if it does not stand in the file.
fn found_at(address: &mut Address) -> Option<&mut SecretReference> {
    match address {
        Address::Secret(reference) => Some(reference),
        Address::Text(_) => None,
    }
}

fn resolve_secret(secret: &mut SecretReference, folder: &Path) {
    match secret {
        SecretReference::File(path) => resolve(path, folder),
        SecretReference::Env(_) | SecretReference::Command(_) => {}
    }
}

fn resolve(path: &mut String, folder: &Path) {
    // Going through the parts leaves out `.` and doubled slashes.
    let absolute: PathBuf = folder.join(path.as_str()).components().collect();
    // Both were text, so nothing is lost.
    *path = absolute.to_string_lossy().into_owned();
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    fn check(path: &str, expect: &str) {
        let mut path = path.to_owned();
        resolve(&mut path, Path::new("/etc/holdfast"));
        assert_eq!(path, expect);
    }

    #[test]
    fn paths_are_taken_from_the_folder_of_the_file() {
        check("./backups", "/etc/holdfast/backups");
        check("backups//a/./b/", "/etc/holdfast/backups/a/b");
        check(".", "/etc/holdfast");
        check("../other", "/etc/holdfast/../other");
        check("/srv/backups", "/srv/backups");
    }

    #[test]
    fn a_folder_that_is_relative_or_no_text_is_refused() {
        let refused = |folder: &Path| Configuration::default().resolved_against(folder);
        let relative = Path::new("etc");
        assert_eq!(refused(relative), Err(UnfitFolder::NotAbsolute(relative.to_owned())));
        let no_text = Path::new(OsStr::from_bytes(b"/etc/\xff"));
        assert_eq!(refused(no_text), Err(UnfitFolder::NotText(no_text.to_owned())));
    }
}
