//! What the operating system says of this process and thread.

use std::time::Duration;

use anyhow::{Context, Result};

/// Processor time of this thread so far.
pub fn processor_time() -> Result<Duration> {
    let path = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let nanoseconds =
        text.split(' ').next().unwrap_or_default().parse().with_context(|| format!("no time in {path}"))?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident memory of this process.
#[allow(dead_code)] // not every benchmark asks
pub fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc/self/status")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}
