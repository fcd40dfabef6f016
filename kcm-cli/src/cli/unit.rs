//! Runs `kcm unit`.

use kcm_systemd::Argument;

use super::cluster_file;
use super::exit::{Exit, Failure};
use super::report;
use crate::cli::args::{
    CommonArguments, UnitCheckArguments, UnitDiffArguments, UnitRenderArguments, UnitVerb,
};
use crate::ops::unit::{UnitRequest, check_units, compare_units, render_unit, render_unit_of};
use crate::util::words::in_full;

pub(super) fn run(verb: UnitVerb, common: &CommonArguments) -> Result<Exit, Failure> {
    match verb {
        UnitVerb::Render(arguments) => {
            report::content(&render(arguments, common)?)?;
            Ok(Exit::Done)
        }
        UnitVerb::Check(UnitCheckArguments { units, kubernetes, environment }) => {
            let check = check_units(&units, &environment.root, &kubernetes)?;
            report::unit_check(&check, common.output)?;
            Ok(Exit::of_check(check.worst()))
        }
        UnitVerb::Diff(UnitDiffArguments { first, second, environment }) => {
            let diff = compare_units(&first, &second, &environment.root)?;
            report::unit_diff(&diff, common.output)?;
            Ok(if diff.differences.is_empty() { Exit::Done } else { Exit::ToDo })
        }
    }
}

fn render(arguments: UnitRenderArguments, common: &CommonArguments) -> Result<String, Failure> {
    let UnitRenderArguments { master, program, user, group, hardening, flags } = arguments;
    let Some(program) = program else {
        let cluster = cluster_file::read(&common.file)?;
        let cluster = cluster.select(master.as_slice(), &[]);
        let cluster = cluster.map_err(|error| Failure::new(Exit::Usage, error))?;
        let master = cluster.masters.first();
        let master = master.ok_or_else(|| Failure::new(Exit::Usage, "no master is selected"))?;
        return Ok(render_unit_of(&cluster, master)?);
    };
    let arguments = flags.iter().map(|flag| Argument::new(flag.as_encoded_bytes()));
    let arguments = arguments.collect::<Result<_, _>>();
    let arguments = arguments.map_err(|error| Failure::new(Exit::Usage, in_full(&error)))?;
    let hardening = hardening.into();
    Ok(render_unit(UnitRequest { program, arguments, user, group, hardening })?)
}
