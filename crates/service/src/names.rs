/// The machine's name, `localhost` where the kernel does not say it.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// `<program>@<host>-<pid>`: unique in the fleet.
pub fn process_name(program: &str) -> String {
    format!("{program}@{}-{}", host_name(), std::process::id())
}
