//! What `--help` and the man pages of each command show under "Examples". A test reads every one of them with the real parser.

use clap::Command;

/// Commands that take arguments, each with what it is typed for and how. Words in `'…'` are quoted for the shell.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "migrate",
        &[
            ("run the migrations that have not run yet", "syncfleet migrate"),
            ("of another database", "syncfleet migrate --database-url postgres://syncfleet@db:5432/trading"),
        ],
    ),
    (
        "import tradebook",
        &[
            (
                "a year of an account, from Zerodha Console",
                "syncfleet import tradebook tradebook-EQ.csv --account Raghu",
            ),
            (
                "intraday trades of one strategy",
                "syncfleet import tradebook intraday.csv --account Raghu --strategy scalping --product MIS",
            ),
        ],
    ),
    (
        "import orders",
        &[("orders of any accounts, a JSON object a line", "syncfleet import orders history.jsonl")],
    ),
    ("import lots", &[("what was there before the first order", "syncfleet import lots lots.csv")]),
    (
        "import corporate-actions",
        &[("splits, bonuses and mergers", "syncfleet import corporate-actions actions.csv")],
    ),
    ("import holidays", &[("next year's holidays", "syncfleet import holidays holidays-2027.csv")]),
    (
        "sync",
        &[
            ("two accounts, and wait for how they end", "syncfleet sync Raghu Asha --wait"),
            ("everything anew, whatever it costs", "syncfleet sync Raghu --force --wait 120"),
            ("all accounts, without a look at the brokerages", "syncfleet sync --all --no-external"),
            ("for a script", "syncfleet sync Raghu --org desk --wait 60 --json"),
        ],
    ),
    (
        "watch",
        &[
            ("everything from now on", "syncfleet watch"),
            (
                "the next ten failures of some accounts",
                "syncfleet watch --account 'R*' --status failed -n 10",
            ),
            ("one JSON document a line", "syncfleet watch --json"),
        ],
    ),
    (
        "account list",
        &[
            ("how old the rows of each account are", "syncfleet account list"),
            ("the stalest twenty", "syncfleet account list --sort staleness -n 20"),
            ("those that are late, for a script", "syncfleet account list --stale-over 10m --json"),
            ("those that failed", "syncfleet account list --account 'R*' --status failed"),
        ],
    ),
    (
        "account why",
        &[
            ("where its job is now, and why it is there", "syncfleet account why Raghu"),
            ("for a script", "syncfleet account why Raghu --org desk --json"),
        ],
    ),
    (
        "doctor",
        &[
            ("what is wrong, and how to mend it", "syncfleet doctor"),
            (
                "policies and bindings as well",
                "syncfleet doctor --rabbitmq-management-url http://rabbitmq:15672",
            ),
            ("for a script: exit code 1 if anything is serious", "syncfleet doctor --json"),
        ],
    ),
    (
        "account show",
        &[
            ("positions, holdings, and what does not add up", "syncfleet account show Raghu"),
            ("as they were at the end of a day", "syncfleet account show Raghu --as-of 2025-06-17"),
            (
                "as they were in the middle of one",
                "syncfleet account show Raghu --as-of 2025-06-17T10:30:00Z",
            ),
        ],
    ),
    (
        "account orders",
        &[
            ("the latest twenty", "syncfleet account orders Raghu -n 20"),
            (
                "placed elsewhere, of which nobody knows the strategy",
                "syncfleet account orders Raghu --external --unassigned",
            ),
        ],
    ),
    ("account pause", &[("no more jobs for it", "syncfleet account pause Raghu")]),
    ("account resume", &[("jobs again", "syncfleet account resume Raghu --org desk")]),
    (
        "account pnl",
        &[
            (
                "a financial year, per instrument",
                "syncfleet account pnl Raghu --from 2025-04-01 --to 2026-03-31",
            ),
            ("each lot that a fill closed", "syncfleet account pnl Raghu --lots --json"),
        ],
    ),
    (
        "queue status",
        &[
            ("what waits, how old it is, and who consumes", "syncfleet queue status"),
            ("drawn anew every ten seconds", "syncfleet queue status --watch 10"),
            (
                "also what is being worked on",
                "syncfleet queue status --rabbitmq-management-url http://syncfleet@rabbitmq:15672",
            ),
        ],
    ),
    (
        "dead list",
        &[
            ("each dead letter, and why", "syncfleet dead list"),
            ("how many of each reason and error", "syncfleet dead list --group"),
        ],
    ),
    (
        "dead show",
        &[("one with its headers and its body", "syncfleet dead show d45ee2d6-bd74-4df7-9f04-d4651bf46e31")],
    ),
    (
        "dead replay",
        &[
            ("one", "syncfleet dead replay d45ee2d6-bd74-4df7-9f04-d4651bf46e31"),
            ("those that failed while Redis was away", "syncfleet dead replay --error 'Redis sync failed'"),
            ("all", "syncfleet dead replay --all"),
        ],
    ),
    (
        "dead purge",
        &[
            ("what will never be a job, after asking", "syncfleet dead purge --error not_json"),
            ("all, in a script", "syncfleet dead purge --all --yes"),
        ],
    ),
    ("worker list", &[("who is there, and how busy", "syncfleet worker list")]),
    (
        "worker ping",
        &[
            ("all", "syncfleet worker ping"),
            ("one; exit code 1 if it does not answer", "syncfleet worker ping syncfleet@host-17"),
        ],
    ),
    ("worker inspect", &[("what runs at the moment, and where", "syncfleet worker inspect")]),
    (
        "worker shutdown",
        &[
            ("one, after what it runs", "syncfleet worker shutdown syncfleet@host-17"),
            ("all of them", "syncfleet worker shutdown --all"),
        ],
    ),
    (
        "revoke",
        &[
            ("a job that waits", "syncfleet revoke d45ee2d6-bd74-4df7-9f04-d4651bf46e31"),
            ("also if it runs already", "syncfleet revoke d45ee2d6-bd74-4df7-9f04-d4651bf46e31 --terminate"),
        ],
    ),
    (
        "brokerage add",
        &[
            (
                "Kite, with a token that is written anew each morning",
                "syncfleet brokerage add Raghu --kind kite --api-key env:KITE_API_KEY --access-token file:/run/secrets/raghu",
            ),
            (
                "AutoTrader Web",
                "syncfleet brokerage add Asha --kind autotrader --api-key file:/run/secrets/autotrader",
            ),
            (
                "a JSON file, to try things",
                "syncfleet brokerage add Demo --kind paper --base-url file:///srv/demo.json",
            ),
        ],
    ),
    ("brokerage list", &[("who is where, and who has to log in", "syncfleet brokerage list")]),
    ("brokerage test", &[("everything it offers, once", "syncfleet brokerage test Raghu")]),
    (
        "completions",
        &[
            (
                "bash, for yourself",
                "syncfleet completions bash > ~/.local/share/bash-completion/completions/syncfleet",
            ),
            ("zsh", "syncfleet completions zsh > ~/.zfunc/_syncfleet"),
            ("fish", "syncfleet completions fish > ~/.config/fish/completions/syncfleet.fish"),
        ],
    ),
    (
        "man",
        &[
            ("read the first page", "syncfleet man | man -l -"),
            ("one page for each command", "syncfleet man /usr/local/share/man/man1"),
        ],
    ),
];

/// The command with the examples of all its commands.
pub(crate) fn with_examples(command: Command) -> Command {
    EXAMPLES.iter().fold(command, |command, (path, examples)| {
        let words: Vec<&str> = path.split(' ').collect();
        add(command, &words, &text(examples))
    })
}

fn add(command: Command, words: &[&str], text: &str) -> Command {
    match words {
        [] => command.after_help(text.to_owned()),
        [first, rest @ ..] => command.mut_subcommand(*first, |sub| add(sub, rest, text)),
    }
}

fn text(examples: &[(&str, &str)]) -> String {
    let lines = examples.iter().map(|(purpose, line)| format!("  # {purpose}\n  {line}\n"));
    format!("Examples:\n{}", lines.collect::<String>().trim_end())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;
    use crate::Arguments;

    /// Commands that do something themselves, by their words.
    fn leaves(command: &Command, path: &str) -> Vec<(String, Command)> {
        if !command.has_subcommands() {
            return vec![(path.trim_start().to_owned(), command.clone())];
        }
        command.get_subcommands().flat_map(|sub| leaves(sub, &format!("{path} {}", sub.get_name()))).collect()
    }

    /// What a shell makes of a line, up to where its output goes.
    fn words(line: &str) -> Vec<String> {
        let command = line.split([' ']).take_while(|word| !matches!(*word, ">" | "|"));
        let line = command.collect::<Vec<_>>().join(" ");
        let mut words = vec![String::new()];
        let mut is_quoted = false;
        for character in line.chars() {
            match character {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                other => words.last_mut().unwrap().push(other),
            }
        }
        words
    }

    #[test]
    fn every_command_has_examples_and_every_example_parses() {
        let command = with_examples(Arguments::command());
        let leaves = leaves(&command, "");
        assert!(leaves.len() >= 28, "{}", leaves.len());
        for (path, leaf) in &leaves {
            let help = leaf.get_after_help().unwrap_or_else(|| panic!("{path} has no examples")).to_string();
            let lines: Vec<&str> =
                help.lines().filter_map(|line| line.strip_prefix("  syncfleet ")).collect();
            assert!(help.starts_with("Examples:\n") && !lines.is_empty(), "{path}: {help}");
            for line in lines {
                assert!(
                    format!("{line} ").starts_with(&format!("{path} ")),
                    "{line} is no example of {path}"
                );
                let words = words(&format!("syncfleet {line}"));
                let matches = command.clone().try_get_matches_from(&words);
                let matches = matches.unwrap_or_else(|error| panic!("{words:?}: {error}"));
                Arguments::from_arg_matches(&matches).unwrap_or_else(|error| panic!("{words:?}: {error}"));
            }
        }
        assert_eq!(EXAMPLES.len(), leaves.len(), "examples of a command that is none");
    }

    #[test]
    fn the_help_of_a_command_shows_them() {
        let mut command = with_examples(Arguments::command());
        command.build();
        let pause = command.find_subcommand_mut("account").unwrap().find_subcommand_mut("pause").unwrap();
        for help in [pause.render_help().to_string(), pause.render_long_help().to_string()] {
            assert!(
                help.contains("Examples:\n  # no more jobs for it\n  syncfleet account pause Raghu"),
                "{help}"
            );
        }
    }
}
