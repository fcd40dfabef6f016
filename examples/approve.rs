//! Plan, approve, execute: two calls of `kcm` with an approval by a person or a policy in between.
//!
//! `kcm::plan` returns a `Prepared`: the plan with its inputs. `kcm::execute` consumes this value,
//! so that exactly the approved plan is executed, and only once. If a master changes in between,
//! its commit fails. Every master is a folder in this example, which therefore needs neither a
//! network nor root. `Fleet::ssh` connects to real masters.
//!
//! Run it with `cargo run --example approve`.

use std::error::Error;
use std::io::{self, Write};

use kcm::transport::PathState;
use kcm::{Cluster, Fleet, Interrupt, Prepared, Run, Silent, Step};
use time::OffsetDateTime;

const CLUSTER_FILE: &str = "
apiVersion: kcm/v1
cluster:
  server: https://192.168.1.210:6443
  clusterCidr: 172.20.0.0/16
  serviceClusterIpRange: 10.68.0.0/16
pki: {caCert: ca.pem, caKey: ca-key.pem, createCa: true, keyAlgorithm: ecdsa-p256}
install: {distributeCa: true}
masters:
  - {name: k8s-master-01, address: 192.168.1.204}
  - {name: k8s-master-02, address: 192.168.1.205}
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    let site = tempfile::tempdir()?;
    let cluster = Cluster::parse(CLUSTER_FILE, &site.path().join("kcm.yaml"))?;
    let fleet = Fleet::folders(&cluster, &site.path().join("out"));
    let (now, interrupt) = (OffsetDateTime::now_utc(), Interrupt::new());
    let run = Run::new(&cluster, &fleet, now, &Silent, &interrupt);

    let prepared = kcm::plan(run).await?;
    show(&prepared, &mut out)?;
    if !approve(&prepared) {
        return Err("the plan was not approved; nothing was changed".into());
    }
    let outcome = kcm::execute(run, prepared).await?;
    for master in &outcome.masters {
        writeln!(out, "{}: {}", master.name, master.result)?;
    }

    let again = kcm::plan(run).await?;
    writeln!(out, "steps of the second plan: {}", again.steps())?;
    let is_good = outcome.is_done() && again.plan.is_empty();
    if is_good { Ok(()) } else { Err("a master is not as the cluster file says".into()) }
}

/// Prints what will be issued, and the steps of each master. `Plan` is also serialisable.
fn show(prepared: &Prepared, out: &mut impl Write) -> io::Result<()> {
    let plan = &prepared.plan;
    writeln!(out, "creates a CA: {}, issues a certificate: {}", plan.creates_ca, plan.issues())?;
    for master in &plan.masters {
        for step in &master.steps {
            match step {
                Step::Write { path, mode, owner, .. } => {
                    writeln!(out, "{}: write {path} {mode} {owner}", master.name)?;
                }
                other => writeln!(out, "{}: {other:?}", master.name)?,
            }
        }
    }
    for finding in &prepared.findings {
        writeln!(out, "{:?}: {}", finding.severity, finding.problem)?;
    }
    Ok(())
}

/// Approves or rejects the plan. This policy rejects the replacement of any file; other programs
/// may ask an operator or query a ticket system.
fn approve(prepared: &Prepared) -> bool {
    let mut steps = prepared.plan.masters.iter().flat_map(|master| &master.steps);
    steps.all(|step| !matches!(step, Step::Write { before, .. } if *before != PathState::Absent))
}
