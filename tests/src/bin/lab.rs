//! A command that runs a lab of three masters, to try kcm by hand.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::ExitCode;

use kcm_tests::control_plane::{Authority, Binaries, ControlPlane};
use kcm_tests::lab::{LabCluster, Machine};

/// Port of the API server.
const PORT: u16 = 6443;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match carry_out(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(arguments: &[&str]) -> Result<(), String> {
    match arguments {
        ["up"] => up(),
        ["down"] => kept().map(LabCluster::down),
        ["status"] => kept().map(|lab| describe(&lab)),
        ["server", folder] => serve(Path::new(folder)),
        ["on", name] => named(&kept()?, name).map(Machine::power_on),
        ["off", name] => named(&kept()?, name).map(Machine::power_off),
        ["ssh", name, command @ ..] => {
            let error = named(&kept()?, name)?.ssh().args(command).exec();
            Err(format!("ssh: {error}"))
        }
        _ => Err(USAGE.to_owned()),
    }
}

/// Runs an API server for the machines until the command is interrupted.
fn serve(folder: &Path) -> Result<(), String> {
    let at = kept()?.address(20);
    let plane = ControlPlane::start(&Binaries::find(), at, PORT, &Authority::read(folder));
    println!("{} answers, and trusts {}; it ends with Ctrl-C", plane.server(), folder.display());
    loop {
        std::thread::park();
    }
}

fn up() -> Result<(), String> {
    if LabCluster::kept().is_none() {
        LabCluster::three().ok_or("there can be no lab here")?.keep();
    }
    kept().map(|lab| describe(&lab))
}

fn kept() -> Result<LabCluster, String> {
    LabCluster::kept().ok_or_else(|| "there is no lab; `lab up` makes one".to_owned())
}

fn named<'a>(lab: &'a LabCluster, name: &str) -> Result<&'a Machine, String> {
    let machine = lab.machines().iter().find(|machine| machine.name() == name);
    machine.ok_or_else(|| {
        let names: Vec<&str> = lab.machines().iter().map(Machine::name).collect();
        format!("there is no {name}; there are {}", names.join(", "))
    })
}

fn describe(lab: &LabCluster) {
    for machine in lab.machines() {
        let state = if machine.is_on() { "on" } else { "off" };
        let (name, address, user) = (machine.name(), machine.address(), machine.user());
        println!("{name}  {state:3}  {user}@{address} port {}", machine.port());
    }
    let config = lab.operator().join("ssh_config");
    println!("\nLog in:\n  ssh -F {} {}", config.display(), lab.machine(0).name());
    println!("\nFor kcm, in place of these sections of kcm.yaml:\n{}", lab.cluster_sections());
}

const USAGE: &str = "\
usage: lab up                    makes three masters, which run until `lab down`
       lab status                says where they are, and how to use them
       lab ssh NAME [COMMAND]    logs in to one, or runs a command on it
       lab server FOLDER         runs an API server for them, with ca.pem and ca-key.pem of FOLDER
       lab off NAME, lab on NAME cuts its power, switches it on
       lab down                  takes them away";
