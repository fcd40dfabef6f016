use super::*;

const UNIT_PATH: &str = "/etc/systemd/system/a.service";

fn links_at(unit: &str, path: &str, section: &str) -> Result<Vec<(String, String)>, InstallError> {
    let install = Install::of(&UnitFile::parse(format!("[Install]\n{section}\n")));
    let links = enable_links(&UnitName::parse(unit).unwrap(), path, &install)?;
    Ok(links.into_iter().map(|link| (link.path, link.target)).collect())
}

/// Returns the links of `a.service`, without their common directory.
fn links(section: &str) -> Vec<String> {
    let links = links_at("a.service", UNIT_PATH, section).unwrap();
    assert!(links.iter().all(|(_, target)| target == UNIT_PATH));
    links
        .iter()
        .map(|(path, _)| path.strip_prefix("/etc/systemd/system/").unwrap().to_owned())
        .collect()
}

#[test]
fn the_tutorial_makes_one_link() {
    let file = UnitFile::parse(include_str!("../../testdata/k8s-master-01.service"));
    let unit = UnitName::parse("kube-controller-manager.service").unwrap();
    let path = "/etc/systemd/system/kube-controller-manager.service";
    let links = enable_links(&unit, path, &Install::of(&file)).unwrap();
    let expected = "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service";
    assert_eq!(links, [Link { path: expected.into(), target: path.into() }]);
}

#[test]
fn every_word_makes_a_link_once() {
    assert_eq!(
        links(
            "RequiredBy=r.target\nWantedBy=\"x.target\" y.target\nWantedBy=x.target\nAlias=b.service a.service"
        ),
        [
            "b.service",
            "x.target.wants/a.service",
            "y.target.wants/a.service",
            "r.target.requires/a.service"
        ]
    );
    assert_eq!(
        links("WantedBy=x.target\nWantedBy=\nWantedBy=y.target"),
        ["y.target.wants/a.service"]
    );
    assert_eq!(links(r"WantedBy=a\x2db.target"), [r"a\x2db.target.wants/a.service"]);
    assert_eq!(links("WantedBy=%p-%N.target"), ["a-a.target.wants/a.service"]);
    assert_eq!(links("Alias=x.target.requires/a.service"), ["x.target.requires/a.service"]);
    assert!(links("").is_empty());
}

#[test]
fn also_is_a_list_that_nothing_resets() {
    let install =
        Install::of(&UnitFile::parse("[Install]\nAlso=a.socket\nAlso=\nAlso=b.socket c.path\n"));
    assert_eq!(install.also, ["a.socket", "b.socket", "c.path"]);
    assert!(!install.is_empty());
    assert!(Install::of(&UnitFile::parse("[Service]\nExecStart=/bin/a\n")).is_empty());
}

#[test]
fn a_file_outside_the_search_path_is_linked_first() {
    let links = links_at("a.service", "/opt/units/a.service", "WantedBy=x.target").unwrap();
    let expected =
        ["/etc/systemd/system/a.service", "/etc/systemd/system/x.target.wants/a.service"];
    assert_eq!(links, expected.map(|path| (path.to_owned(), "/opt/units/a.service".to_owned())));
}

#[test]
fn templates_are_enabled_through_an_instance() {
    let path = "/etc/systemd/system/a@.service";
    let links = |unit, section| {
        links_at(unit, path, section).map(|links| links.into_iter().map(|link| link.0).collect())
    };
    let wants = |name: &str| Ok(vec![format!("/etc/systemd/system/x.target.wants/{name}")]);
    assert_eq!(links("a@1.service", "WantedBy=x.target"), wants("a@1.service"));
    assert_eq!(links("a@.service", "WantedBy=x.target\nDefaultInstance=7"), wants("a@7.service"));
    assert!(links("a@.service", "WantedBy=x.target").is_err());
    assert_eq!(
        links("a@.service", "WantedBy=x@.target"),
        Ok(vec!["/etc/systemd/system/x@.target.wants/a@.service".to_owned()])
    );
    assert_eq!(
        links("a@1.service", "Alias=b@.service"),
        Ok(vec!["/etc/systemd/system/b@1.service".to_owned()])
    );
}

#[test]
fn what_systemctl_complains_about_is_an_error() {
    let error = |section| links_at("a.service", UNIT_PATH, section).unwrap_err();
    assert!(matches!(error("WantedBy=multi-user"), InstallError::Name { key: "WantedBy", .. }));
    assert!(matches!(error("Alias=b.socket"), InstallError::Name { key: "Alias", .. }));
    assert!(matches!(error("Alias=b@.service"), InstallError::Name { .. }));
    assert!(matches!(error("Alias=x.target.wants/b.service"), InstallError::Name { .. }));
    assert!(matches!(error("Alias=x.target/a.service"), InstallError::Name { .. }));
    let transient = links_at("a.service", "/run/systemd/transient/a.service", "WantedBy=x.target");
    assert!(matches!(transient, Err(InstallError::Unit { .. })));
    let slice = links_at("a@1.slice", "/etc/systemd/system/a@.slice", "WantedBy=x.target");
    assert!(matches!(slice, Err(InstallError::Unit { .. })));
    assert!(matches!(error("WantedBy=%H.target"), InstallError::Specifier { .. }));
    for path in ["a.service", "/etc/systemd/system/b.service", "/etc/systemd/system/"] {
        assert!(
            matches!(links_at("a.service", path, ""), Err(InstallError::Path { .. })),
            "{path}"
        );
    }
}
