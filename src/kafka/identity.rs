//! The name of this process in its groups where the configuration gives none: that of a slot on this machine, so that a
//! restart gets the name of the process that died, and no two living processes ever have the same.
//!
//! A slot is a file which the living process keeps locked; the kernel unlocks it however the process ends. In it stands a
//! random name, so that slots in other folders (other machines, containers, users) never agree. Without a name the process
//! joins its groups as a stranger each time, and what a killed one held waits for the session time-out.

use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Slots looked at: more processes of one group than these on one machine go without a name.
const SLOTS_MAX: usize = 256;
/// Length of a name.
const NAME_LENGTH: usize = 16;

/// A name, ours until this is dropped.
#[derive(Debug)]
pub struct Identity {
    name: String,
    _lock: File,
}

impl Identity {
    /// Takes the first free slot of `group` in `folder`, which is made when it is not there.
    pub fn claim(folder: &Path, group: &str) -> io::Result<Identity> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let metadata = std::fs::metadata(folder)?;
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
            let message = format!("{} is not ours alone", folder.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        for slot in 0..SLOTS_MAX {
            let path = folder.join(format!("{group}.{slot}"));
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Identity { name: name(&mut file)?, _lock: file }),
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other(format!("all {SLOTS_MAX} slots of group {group} are taken")))
    }

    /// The name: letters and digits.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Where the slots of this user are.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("churnwatch-{}", rustix::process::geteuid().as_raw()))
}

/// The name in a slot; a new one where there is none, or only part of one.
fn name(file: &mut File) -> io::Result<String> {
    let mut name = String::new();
    file.read_to_string(&mut name)?;
    if name.len() == NAME_LENGTH && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(name);
    }
    // Each state is seeded anew by the operating system.
    let fresh = format!("{:016x}", RandomState::new().build_hasher().finish());
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(fresh.as_bytes())?;
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_one_at_a_time_and_is_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let claim = |group| Identity::claim(&folder.path().join("slots"), group).unwrap();
        let (first, second) = (claim("g"), claim("g"));
        assert_ne!(first.name(), second.name());
        assert_ne!(first.name(), claim("other").name());
        let name = first.name().to_owned();
        drop(first);
        assert_eq!(claim("g").name(), name);
    }

    #[test]
    fn a_torn_name_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let slots = folder.path().join("slots");
        drop(Identity::claim(&slots, "g").unwrap());
        std::fs::write(slots.join("g.0"), "12345").unwrap();
        let name = Identity::claim(&slots, "g").unwrap().name().to_owned();
        assert_eq!(name.len(), NAME_LENGTH);
        assert_eq!(std::fs::read_to_string(slots.join("g.0")).unwrap(), name);
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = Identity::claim(folder.path(), "g").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
