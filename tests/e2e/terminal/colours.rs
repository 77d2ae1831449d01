use std::process::Command;

use e2e::{World, fill, jsonl};

use super::on_terminal;

fn printed(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_status_has_a_colour_on_a_terminal_and_nowhere_else() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let _worker = world.worker(&[]);
    assert!(
        world.syncfleet(&["sync", "Raghu", "--wait", "60"]).expect(0).out.contains("default/Raghu: success")
    );
    let line = "account show Raghu";
    let coloured = printed(on_terminal(&world, line, &[]));
    assert!(coloured.contains("default/Raghu: \u{1b}[32msuccess\u{1b}[0m, last sync "), "{coloured:?}");
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let plain = printed(on_terminal(&world, line, &variables));
        assert!(
            plain.contains("default/Raghu: success, last sync ") && !plain.contains('\u{1b}'),
            "{plain:?}"
        );
    }
    let piped = world.syncfleet(&["account", "show", "Raghu"]).expect(0).out;
    assert!(piped.contains("default/Raghu: success, last sync ") && !piped.contains('\u{1b}'), "{piped:?}");
    let json = printed(on_terminal(&world, "account show Raghu --json", &[]));
    assert!(json.contains("\"status\": \"success\"") && !json.contains('\u{1b}'), "{json:?}");
}
