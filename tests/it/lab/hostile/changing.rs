//! Tests of verbs that change masters.

use kcm_tests::hostile::Plan;

use super::checks::metrics;
use super::runs::Run;
use super::{Front, plans, words};
use crate::lab::faults::changed;

/// Number of changes after which the fleet must converge.
const BETWEEN: usize = 4;

/// Returns the command line of the change with the number `place`.
fn line(place: usize, plan: Plan) -> String {
    let form = if plan.seed.is_multiple_of(2) { " -o json" } else { "" };
    match place % 20 {
        4 => format!("smoke --kubeconfig admin.kubeconfig --timeout 6s{form}"),
        9 => format!("drill{form}"),
        14 => format!("remove --yes --master k8s-master-01{form}"),
        other => match other % 4 {
            0 | 2 => format!("apply{form}"),
            1 => format!("rollback{form}"),
            _ => format!("certs renew --force{form} --textfile renew.prom"),
        },
    }
}

impl Front {
    fn change(&mut self, place: usize, plan: Plan) -> Run {
        self.write(&changed(place + 1));
        self.follow(Some(plan));
        let run = Run::new(&self.ground.workspace, Some(plan), &words(&line(place, plan)));
        self.follow(None);
        self.keep(run.clone());
        self.honest_ones_serve(&run);
        let text =
            std::fs::read_to_string(self.ground.workspace.file("renew.prom")).unwrap_or_default();
        self.blame(&run, metrics(&text));
        run
    }

    /// Asserts that an apply with an honest first master finishes the work.
    fn converge(&mut self, after: &Run) {
        for line in ["apply", "plan --check"] {
            let run = Run::new(&self.ground.workspace, None, &words(line));
            if run.code != Some(0) {
                let printed = String::from_utf8_lossy(&run.stderr).into_owned();
                let printed = printed + &String::from_utf8_lossy(&run.stdout);
                self.blame(
                    after,
                    [format!("then `kcm {line}` ended with {:?}: {printed}", run.code)],
                );
            }
            self.keep(run);
        }
        self.honest_ones_serve(after);
    }
}

#[test]
fn a_hostile_master_harms_no_change_of_the_others() {
    let Some(mut front) = Front::new() else { return };
    let plans = plans(20, 200_000);
    for (place, plan) in plans.iter().enumerate() {
        let run = front.change(place, *plan);
        if (place + 1) % BETWEEN == 0 || place + 1 == plans.len() {
            front.converge(&run);
        }
    }
    front.end();
}
