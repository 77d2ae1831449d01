use clap_complete::Shell;
use service::exit;

use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script that makes a shell complete commands and options.
pub(crate) fn run(arguments: &Arguments) -> i32 {
    match output::raw(&script(arguments.shell)) {
        Ok(()) => exit::DONE,
        Err(_) => exit::FAILED,
    }
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::command(), "syncfleet", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use clap::ValueEnum as _;

    use super::*;

    /// Every command by its words, with what may be typed next: commands, else long options.
    fn expected(command: &clap::Command, path: &str, found: &mut Vec<(String, Vec<String>)>) {
        let subcommands: Vec<String> =
            command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        let options = command.get_arguments().filter_map(|argument| argument.get_long());
        let options = options.map(|long| format!("--{long}"));
        found.push((path.to_owned(), if subcommands.is_empty() { options.collect() } else { subcommands }));
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            expected(sub, &format!("{path} {}", sub.get_name()), found);
        }
    }

    /// What a shell prints that is given a script.
    fn print(shell: &str, script: &[u8]) -> String {
        let mut child = Command::new(shell)
            .args(["--norc", "--noprofile"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash");
        child.stdin.take().unwrap().write_all(script).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn bash_completes_every_command_and_every_option() {
        let mut all = Vec::new();
        let mut command = crate::command();
        command.build();
        expected(&command, "syncfleet", &mut all);
        assert!(all.len() >= 35, "{}", all.len());
        // As bash itself does it: the words typed so far, and the one under the cursor.
        let mut typed = String::from_utf8(script(Shell::Bash)).unwrap();
        for (path, next) in &all {
            let words = path.split(' ').count();
            let beginning = if next[0].starts_with("--") { "--" } else { "" };
            let last = path.rsplit(' ').next().unwrap_or_default();
            typed += &format!(
                "\nCOMP_WORDS=({path} '{beginning}'); COMP_CWORD={words}; COMPREPLY=()\n\
                 _syncfleet syncfleet '{beginning}' '{last}'\necho \"${{COMPREPLY[*]}}\"\n"
            );
        }
        let printed = print("bash", typed.as_bytes());
        assert_eq!(printed.lines().count(), all.len(), "{printed}");
        for ((path, next), line) in all.iter().zip(printed.lines()) {
            let offered: Vec<&str> = line.split(' ').collect();
            assert!(
                next.iter().all(|word| offered.contains(&word.as_str())),
                "{path}: {next:?} not in {line}"
            );
        }
    }

    #[test]
    fn every_shell_has_a_script_that_knows_every_command() {
        let mut all = Vec::new();
        expected(&crate::command(), "syncfleet", &mut all);
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for (path, _) in &all {
                let last = path.rsplit(' ').next().unwrap_or_default();
                assert!(script.contains(last), "{shell}: {path}");
            }
        }
    }
}
