//! Snapshots of `kcm certs timer`.

use kcm_tests::Workspace;

use super::Transcript;

#[test]
fn units_of_the_timer() {
    let workspace = Workspace::new();
    let mut transcript = Transcript::new(&workspace);
    transcript
        .kcm("certs timer --directory units --textfile kcm.prom")
        .list("units")
        .cat("units/kcm-certs.service")
        .cat("units/kcm-certs.timer")
        .kcm("certs timer --directory units --textfile kcm.prom")
        .kcm(
            "certs timer --directory units --textfile kcm.prom --due-succeeds --on-calendar weekly",
        )
        .cat("units/kcm-certs.service")
        .cat("units/kcm-certs.timer")
        .kcm("certs timer --directory units --renew --name renewal")
        .cat("units/renewal.service");
    workspace.write("units/kcm-certs.timer", "[Timer]\nOnCalendar=weekly\n");
    transcript.note("a unit of somebody else").kcm("certs timer --directory units");
    workspace.write("kcm.yaml", workspace.read("kcm.yaml") + "ssh: {sudo: password}\n");
    transcript.note("a password that is typed").kcm("certs timer --directory units");
    transcript.assert_matches("certs-timer");
}
