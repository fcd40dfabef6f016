//! The parser of answers about services, programs and accounts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use kcm_systemd::drop_ins_in_order;
use zeroize::Zeroizing;

use super::{Step, decode, garbled, number, owner};
use crate::transport::{
    Connection, EnvironmentSource, EnvironmentState, FoundUnit, Listener, Observation,
    ProcessFacts, ProgramFacts, Settled, UnitSource,
};
use crate::util::files::{Owner, RemotePath};

const NOT_ROOT: &str = "only root can inspect the processes of other users";

pub(super) fn settled(said: &str) -> Step<Settled> {
    let mut words = said.split(' ');
    let (Some(invocation), Some(process), Some(known)) = (words.next(), words.next(), words.next())
    else {
        return Err(garbled("the state of a service", said));
    };
    let listening = listening(known, words)?;
    let (invocation, main_pid) = (invocation.to_owned(), number(process)?);
    Ok(Settled { invocation, main_pid, listening, connections: None })
}

pub(super) fn connections(said: &str) -> Step<Observation<Vec<Connection>>> {
    let mut words = said.split(' ');
    if words.next() != Some("known") {
        return Ok(Observation::Unknown(NOT_ROOT.to_owned()));
    }
    let connection = |word: &str| {
        let wrong = || garbled("a connection", word);
        let (local, rest) = word.split_once('/').ok_or_else(wrong)?;
        let (remote, inode) = rest.split_once('/').ok_or_else(wrong)?;
        Ok(Connection { local: socket(local)?, remote: socket(remote)?, inode: number(inode)? })
    };
    words.map(connection).collect::<Step<_>>().map(Observation::Known)
}

/// Parses the version of a program, or the reason it printed none.
pub(super) fn version(said: &str) -> Step<Observation<String>> {
    match said.split_once(' ') {
        Some(("known", version)) => Ok(Observation::Known(text(version)?)),
        Some(("unknown", why)) => Ok(Observation::Unknown(text(why)?)),
        _ => Err(garbled("a version", said)),
    }
}

pub(super) fn process(said: &str) -> Step<Option<ProcessFacts>> {
    if said == "-" {
        return Ok(None);
    }
    let mut words = said.split(' ');
    let (Some(pid), Some(argv), Some(known)) = (words.next(), words.next(), words.next()) else {
        return Err(garbled("a process", said));
    };
    let listening = listening(known, words)?;
    // Each argument ends with a NUL byte.
    let argv = decode(argv)?;
    let argv = argv.strip_suffix(b"\0").unwrap_or(&argv).split(|byte| *byte == 0);
    let argv = argv.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    Ok(Some(ProcessFacts { pid: number(pid)?, argv, listening }))
}

fn listening<'a>(
    known: &str,
    sockets: impl Iterator<Item = &'a str>,
) -> Step<Observation<Vec<SocketAddr>>> {
    match known {
        "known" => Ok(Observation::Known(sockets.map(socket).collect::<Step<_>>()?)),
        _ => Ok(Observation::Unknown(NOT_ROOT.to_owned())),
    }
}

pub(super) fn account(said: &str) -> Step<Observation<Option<Owner>>> {
    match said.split_once(' ') {
        Some((user, group)) => owner(user, group).map(|owner| Observation::Known(Some(owner))),
        None => Ok(Observation::Known(None)),
    }
}

pub(super) fn program(said: &str) -> Step<Observation<ProgramFacts>> {
    let mut words = said.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("known"), Some(version), Some(help)) => {
            Ok(Observation::Known(ProgramFacts { version: text(version)?, help: text(help)? }))
        }
        (Some("unknown"), Some(why), None) => Ok(Observation::Unknown(text(why)?)),
        _ => Err(garbled("the output of a program", said)),
    }
}

pub(super) fn strangers(said: &str) -> Step<Observation<Vec<Listener>>> {
    let mut words = said.split(' ');
    if words.next() != Some("known") {
        return Ok(Observation::Unknown(NOT_ROOT.to_owned()));
    }
    let listener = |word: &str| {
        let (address, process) = word.split_once('/').ok_or_else(|| garbled("a socket", word))?;
        let process = number(process)?;
        Ok(Listener { address: socket(address)?, process: (process != 0).then_some(process) })
    };
    words.map(listener).collect::<Step<_>>().map(Observation::Known)
}

pub(super) fn unreadable(said: &str) -> Step<Observation<Vec<RemotePath>>> {
    let (known, coded) = said.split_once(' ').ok_or_else(|| garbled("unreadable files", said))?;
    let said = text(coded)?;
    if known != "known" {
        return Ok(Observation::Unknown(said));
    }
    let paths = said.lines().map(|line| RemotePath::new(line).map_err(|_| garbled("a path", line)));
    paths.collect::<Step<_>>().map(Observation::Known)
}

/// Parses the output of `find_unit`, up to its end.
pub(super) fn found_unit<'a>(mut next: impl FnMut() -> Step<&'a str>) -> Step<FoundUnit> {
    let mut found = FoundUnit::default();
    let mut drop_ins = Vec::new();
    loop {
        let said = next()?;
        let words: Vec<_> = said.split_whitespace().collect();
        match words[..] {
            ["end"] => break,
            ["file", path, target, content] => found.file = Some(source(path, target, content)?),
            ["dropIn", path, target, content] => {
                let source = source(path, target, content)?;
                drop_ins.push((source.path.clone(), source));
            }
            ["environment", ignores, path, state] => {
                let state = match state {
                    "absent" => EnvironmentState::Absent,
                    "unread" => EnvironmentState::Unread,
                    "unreadable" => EnvironmentState::Unreadable,
                    coded => EnvironmentState::Read(content(coded)?),
                };
                let (path, is_optional) = (text(path)?, ignores == "yes");
                found.environment.push(EnvironmentSource { path, is_optional, state });
            }
            _ => return Err(garbled("a file of a unit", said)),
        }
    }
    found.drop_ins = drop_ins_in_order(drop_ins).into_iter().map(|(_, source)| source).collect();
    Ok(found)
}

fn source(path: &str, target: &str, coded: &str) -> Step<UnitSource> {
    let target = (target != "-").then(|| text(target)).transpose()?;
    let content = (coded != "-").then(|| content(coded)).transpose()?;
    Ok(UnitSource { path: text(path)?, target, content })
}

/// Decodes base64 after a `=`, which distinguishes content from a keyword.
fn content(coded: &str) -> Step<Zeroizing<Vec<u8>>> {
    let coded = coded.strip_prefix('=').ok_or_else(|| garbled("content", coded))?;
    decode(coded).map(Zeroizing::new)
}

fn text(coded: &str) -> Step<String> {
    decode(coded).map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// Parses an address as in `/proc/net/tcp` and `tcp6`: words of 32 bits in the machine's byte
/// order, then the port.
fn socket(word: &str) -> Step<SocketAddr> {
    let wrong = || garbled("a socket", word);
    let (address, port) = word.split_once(':').ok_or_else(wrong)?;
    let port = u16::from_str_radix(port, 16).map_err(|_| wrong())?;
    let group = |place: usize| {
        let digits = address.get(place * 8..place * 8 + 8).ok_or_else(wrong)?;
        u32::from_str_radix(digits, 16).map(u32::to_ne_bytes).map_err(|_| wrong())
    };
    let address = if address.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(group(0)?))
    } else {
        let groups = [group(0)?, group(1)?, group(2)?, group(3)?];
        let mut octets = [0; 16];
        octets.iter_mut().zip(groups.iter().flatten()).for_each(|(octet, from)| *octet = *from);
        IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
    };
    Ok(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_socket_is_read_as_the_kernel_writes_it() {
        let read = |word| socket(word).ok().map(|at| at.to_string());
        assert_eq!(read("0B00007F:2811").as_deref(), Some("127.0.0.11:10257"));
        assert_eq!(read("00000000000000000000000001000000:0016").as_deref(), Some("[::1]:22"));
        assert_eq!(read("0000000000000000FFFF00000B00007F:0016").as_deref(), Some("127.0.0.11:22"));
        assert_eq!(read("00000000000000000000000000000000:2811").as_deref(), Some("[::]:10257"));
        let read = |said| connections(said).ok();
        let Some(Observation::Known(all)) = read("known 0B00007F:2811/0B00007F:192B/77") else {
            panic!("it is a connection")
        };
        assert_eq!((all[0].remote.port(), all[0].inode), (6443, 77));
        assert_eq!(read("known"), Some(Observation::Known(Vec::new())));
        assert!(matches!(read("unknown"), Some(Observation::Unknown(_))));
        assert_eq!(read("known 0B00007F:2811/77"), None);
        for wrong in ["", "0B00007F", "0B00007F:", "0B:16", "zzzzzzzz:0016"] {
            assert!(socket(wrong).is_err(), "{wrong:?}");
        }
    }
}
