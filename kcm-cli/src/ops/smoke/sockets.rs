//! Network connections of a process, from `/proc`.

use std::collections::HashSet;

use crate::transport::{Batch, Exec, Operation, Reply, Transport};

/// Script that prints the targets of the open files of process `$1`, then the sockets of its
/// network namespace. Files may be closed meanwhile.
const LOOK: &str = "[ -r /proc/\"$1\"/fd ] || exit 3; readlink /proc/\"$1\"/fd/* 2>/dev/null; echo --; cat /proc/\"$1\"/net/tcp /proc/\"$1\"/net/tcp6 2>/dev/null; :";

/// Counts the connections of a process to `port` on any host.
///
/// # Errors
/// If the connections cannot be read. The text is the cause.
pub(super) async fn connections(
    transport: &dyn Transport,
    pid: u32,
    port: u16,
) -> Result<usize, String> {
    let argv = ["sh", "-c", LOOK, "sockets", &pid.to_string()].map(str::to_owned).to_vec();
    let exec = Operation::Exec(Exec { argv, stdin: Vec::new().into() });
    let replies =
        transport.call(&Batch::new(vec![exec])).await.map_err(|error| error.to_string())?;
    if let Some(failure) = replies.failed {
        return Err(failure.error.to_string());
    }
    match replies.done.into_iter().next() {
        Some(Reply::Exec(output)) if output.status == Some(0) => {
            Ok(count(&String::from_utf8_lossy(&output.stdout), port))
        }
        Some(Reply::Exec(_)) => {
            Err("cannot list the connections of the process: the process has ended or belongs to another user".to_owned())
        }
        _ => Err("unexpected reply from the transport".to_owned()),
    }
}

/// Counts established connections (state 01, see Linux' `include/net/tcp_states.h`).
fn count(text: &str, port: u16) -> usize {
    let Some((files, sockets)) = text.split_once("--\n") else { return 0 };
    let own = files.lines().filter_map(|line| line.strip_prefix("socket:[")?.strip_suffix(']'));
    let own: HashSet<&str> = own.collect();
    let suffix = format!(":{port:04X}");
    let is_one = |line: &&str| {
        let mut fields = line.split_whitespace();
        let (remote, state) = (fields.nth(2).unwrap_or_default(), fields.next());
        let inode = fields.nth(5).unwrap_or_default();
        state == Some("01") && remote.ends_with(&suffix) && own.contains(inode)
    };
    sockets.lines().filter(is_one).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
/dev/null
socket:[3456]
socket:[3457]
anon_inode:[eventpoll]
--
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:2811 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3455 1 0 100 0 0 10 0
   1: 0B00007F:A0C8 1400007F:192B 01 00000000:00000000 02:000008AF 00000000     0        0 3456 2 0 20 4 30 10 -1
   2: 0B00007F:A0C9 1400007F:192B 06 00000000:00000000 02:000008AF 00000000     0        0 3457 2 0 20 4 30 10 -1
   3: 0B00007F:A0CA 1400007F:192B 01 00000000:00000000 02:000008AF 00000000     0        0 9999 2 0 20 4 30 10 -1
";

    #[test]
    fn only_the_process_own_established_connections_to_that_port_count() {
        assert_eq!(count(SHOWN, 6443), 1);
        assert_eq!((count(SHOWN, 443), count("", 6443), count("--\n\n 1 2\n", 6443)), (0, 0, 0));
    }
}
