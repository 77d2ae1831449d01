//! Under which user PostgreSQL runs: it refuses to run as root.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use crate::Error;

/// Tried in this order: `postgres` is made by Debian's package, `nobody` is everywhere.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user a server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// We are a plain user already.
    Ours,
    /// We are root and step down to this user and group.
    Other { user: u32, group: u32 },
}

impl Account {
    /// Ours, or an unprivileged one when we are root.
    pub(crate) fn unprivileged() -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ours);
        }
        let accounts = fs::read_to_string("/etc/passwd").map_err(Error::io("read /etc/passwd"))?;
        UNPRIVILEGED.iter().find_map(|name| find(&accounts, name)).ok_or_else(|| {
            Error::Unusable("neither the user postgres nor nobody exists, and PostgreSQL refuses root".into())
        })
    }

    /// Gives a folder to the user.
    pub(crate) fn own(self, folder: &Path) -> Result<(), Error> {
        match self {
            Self::Ours => Ok(()),
            Self::Other { user, group } => chown(folder, Some(user), Some(group))
                .map_err(Error::io(format!("give {} to user {user}", folder.display()))),
        }
    }

    /// Words before a command that make it run as the user; they stay in the same process.
    pub(crate) fn prefix(self) -> Vec<String> {
        match self {
            Self::Ours => Vec::new(),
            Self::Other { user, group } => vec![
                "setpriv".into(),
                format!("--reuid={user}"),
                format!("--regid={group}"),
                "--clear-groups".into(),
                "--".into(),
            ],
        }
    }
}

fn find(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [found, _, user, group, ..] = fields[..] else { return None };
        (found == name).then_some(())?;
        Some(Account::Other { user: user.parse().ok()?, group: group.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let accounts =
            "root:x:0:0:root:/root:/bin/sh\npostgres2:x:1:1::/:\npostgres:x:101:104:PG:/var:/bin/sh\n";
        assert_eq!(find(accounts, "postgres"), Some(Account::Other { user: 101, group: 104 }));
        assert_eq!(find(accounts, "nobody"), None);
    }
}
