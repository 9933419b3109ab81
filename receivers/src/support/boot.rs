//! When the machine started: since then most counters of the kernel and of drivers count.

/// Nanoseconds since 1970, to the second, as `/proc/stat` has it (`btime`); `None` where there is no
/// such file.
pub fn boot_time() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/stat").ok()?)
}

fn parse(stat: &str) -> Option<u64> {
    let seconds: u64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    seconds.checked_mul(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line is found among the others, and what is not a time is none.
    #[test]
    fn reads_the_boot_time() {
        let cases = [
            ("cpu  1 2 3\nbtime 1763748000\nprocesses 7\n", Some(1_763_748_000_000_000_000)),
            ("cpu  1 2 3\n", None),
            ("btime soon\n", None),
            ("btime 99999999999999999999\n", None),
            ("btime 18446744073709551615\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
