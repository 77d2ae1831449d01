use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use service::exit;

use crate::failure::Failure;
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write a page for each command into this folder, which is made if it is not there
    folder: Option<PathBuf>,
}

/// Prints the page of `syncfleet` itself, or writes all pages.
pub(crate) fn run(arguments: &Arguments) -> Result<i32, Failure> {
    let command = built();
    match &arguments.folder {
        None => output::raw(&page(&command).map_err(|error| Failure::operation(error.to_string()))?)
            .map_err(|error| Failure::operation(error.to_string()))?,
        Some(folder) => {
            let pages = write_all(&command, folder).map_err(|error| {
                Failure::operation(format!("{} cannot be written to: {error}", folder.display()))
            })?;
            output::say(&format!("{pages} pages in {}", folder.display()));
        }
    }
    Ok(exit::DONE)
}

fn built() -> Command {
    let mut command = crate::command().disable_help_subcommand(true);
    command.build();
    command
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    // What follows the help of ours are examples, and nothing else.
    let page = String::from_utf8_lossy(&page).replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
    Ok(page.into_bytes())
}

/// Returns how many pages there are.
fn write_all(command: &Command, folder: &Path) -> io::Result<usize> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(Man::new(command.clone()).get_filename()), page(command)?)?;
    let mut pages = 1;
    for sub in command.get_subcommands() {
        pages += write_all(sub, folder)?;
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(command: &Command) -> usize {
        1 + command.get_subcommands().map(count).sum::<usize>()
    }

    fn check(command: &Command, name: &str, folder: &Path) {
        let page = fs::read_to_string(folder.join(format!("{name}.1"))).unwrap_or_else(|_| panic!("{name}"));
        for section in ["SH NAME", "SH SYNOPSIS", "SH OPTIONS"] {
            assert!(page.contains(section), "{name} without {section}");
        }
        if command.has_subcommands() {
            for sub in command.get_subcommands() {
                check(sub, &format!("{name}-{}", sub.get_name()), folder);
            }
        } else {
            assert!(page.contains(".SH EXAMPLES\n  # "), "{name}: {page}");
        }
    }

    #[test]
    fn every_command_has_a_page_with_its_options_and_its_examples() {
        let folder = std::env::temp_dir().join(format!("syncfleet-man-{}", std::process::id()));
        let command = built();
        let pages = write_all(&command, &folder).unwrap();
        assert_eq!(pages, count(&command));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), pages);
        check(&command, "syncfleet", &folder);
        fs::remove_dir_all(&folder).unwrap();
    }
}
