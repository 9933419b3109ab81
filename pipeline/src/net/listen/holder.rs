//! Which process holds a port, as far as /proc lets us see.

use std::fs;

/// The process that listens on a TCP port: `process 1234 (otelcol)`. `None` when it cannot be told, as for
/// processes of other users.
pub(super) fn of_tcp_port(port: u16) -> Option<String> {
    let inode = listening_inode("/proc/net/tcp", port).or_else(|| listening_inode("/proc/net/tcp6", port))?;
    let link = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else { continue };
        let holds = descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|target| target.to_str() == Some(&link))
        });
        if holds {
            let command = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(format!("process {pid} ({})", command.trim()));
        }
    }
    None
}

/// The inode of the socket that listens on a port. Columns: slot, local address, remote address, state
/// (0A is listening), queues, timer, retransmits, user, timeout, inode.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    let wanted = format!(":{port:04X}");
    fs::read_to_string(table).ok()?.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = columns.get(1)?.ends_with(&wanted) && *columns.get(3)? == "0A";
        is_it.then(|| columns.get(9).map(|inode| (*inode).to_owned())).flatten()
    })
}
