use std::collections::BTreeMap;

use e2e::Deployment;

use super::variables;

/// The settings of the README's table by the head they are under, with what is said of them.
fn documented() -> BTreeMap<String, Vec<(String, String)>> {
    let readme = Deployment::text("README.md");
    let section =
        readme.split("\n## ").find(|section| section.starts_with("Settings\n")).expect("the settings");
    let (mut head, mut settings) = (String::new(), BTreeMap::<_, Vec<_>>::new());
    for line in section.lines() {
        if let Some((name, _)) = line.strip_prefix("| **").and_then(|rest| rest.split_once("**")) {
            head = name.to_owned();
        } else if let Some((name, rest)) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`')) {
            settings.entry(head.clone()).or_default().push((name.to_owned(), rest.to_owned()));
        }
    }
    settings
}

#[test]
fn each_setting_of_the_readme_is_one_of_the_programs_it_is_listed_under_and_of_no_other() {
    let settings = documented();
    let known = ["syncfleet", "syncfleet-worker", "syncfleet-beat"].map(variables);
    for (head, settings) in &settings {
        for (name, meaning) in settings {
            let expected = match head.as_str() {
                "all programs" => [true, true, true],
                "worker and beat" => [false, true, true],
                "syncfleet" => [true, false, false],
                "worker" => [false, true, false],
                "beat" if meaning.contains("Beat only") => [false, false, true],
                "beat" => [false, true, true],
                other => panic!("a head that is no program: {other}"),
            };
            let is_known = known.each_ref().map(|known| known.contains(name));
            assert_eq!(is_known, expected, "{name} under {head}: of syncfleet, worker, beat");
        }
    }
    let documented: Vec<&String> = settings.values().flatten().map(|(name, _)| name).collect();
    let missing: Vec<&String> = known.iter().flatten().filter(|name| !documented.contains(name)).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
}
