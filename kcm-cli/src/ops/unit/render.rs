//! Renders the unit of kube-controller-manager, from a cluster file or from flags.

use kcm_systemd::{AccountName, Argument, ControllerManagerUnit, ExecutablePath, Flags, Hardening};

use crate::cluster::layout::Layout;
use crate::cluster::{Cluster, Master};
use crate::desired::{self, DesiredError};
use crate::error::Error;
use crate::util::words::in_full;

/// The parameters of a unit without a cluster file.
#[derive(Clone, Debug)]
pub struct UnitRequest {
    /// Path of kube-controller-manager.
    pub program: ExecutablePath,
    /// Arguments of kube-controller-manager.
    pub arguments: Vec<Argument>,
    /// User of the service. `None` is root.
    pub user: Option<AccountName>,
    /// Group of the service. `None` is the user's primary group.
    pub group: Option<AccountName>,
    /// Sandbox of the service.
    pub hardening: Hardening,
}

/// Returns the unit with the given flags.
///
/// # Errors
/// If an argument is not a flag of kube-controller-manager.
pub fn render_unit(request: UnitRequest) -> Result<String, Error> {
    let UnitRequest { program, arguments, user, group, hardening } = request;
    let flags = Flags::from_arguments(&arguments)
        .map_err(|error| Error::Request(in_full(&error).into()))?;
    let unit = ControllerManagerUnit::new(program, flags);
    Ok(ControllerManagerUnit { user, group, hardening, ..unit }.render())
}

/// Returns the unit that `apply` writes to a master.
///
/// # Errors
/// If the cluster file gives no valid unit for the master.
pub fn render_unit_of(cluster: &Cluster, master: &Master) -> Result<String, Error> {
    let layout = Layout::of(&cluster.install).map_err(DesiredError::of_layout)?;
    Ok(desired::unit_text(cluster, &layout, master)?)
}
