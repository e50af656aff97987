//! The memory of this process.

/// The most memory that this process ever had in RAM, in bytes; none where the system does not tell.
#[must_use]
pub fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    parse(&status)
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        assert_eq!(parse("VmPeak:\t  999 kB\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12_345 * 1024));
        assert_eq!(parse("VmPeak:\t  999 kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_running_process_uses_memory() {
        assert!(peak_rss_bytes().expect("the kernel tells") > 100_000);
    }
}
