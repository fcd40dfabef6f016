//! Tests that the links between documents lead to a file and to a heading. No link leaves the
//! repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use super::{document, repository};

/// The documents outside `docs`.
const TOP: [&str; 5] =
    ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md"];

/// Targets of Markdown links, and of images in HTML.
static LINK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"|(?m:^\[[^\]]+\]: (\S+))"#).unwrap()
});
/// Code, in which brackets are no links.
static CODE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?ms)^ *```.*?^ *```|`[^`\n]+`").unwrap());

/// Returns the paths of all documents.
fn documents() -> Vec<PathBuf> {
    let mut all: Vec<_> = TOP.map(PathBuf::from).into();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in repository(&folder).read_dir().unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                all.push(path);
            }
        }
    }
    all.sort();
    all
}

/// Returns the link targets of a document, without those that leave the repository.
fn links(text: &str) -> Vec<String> {
    let text = CODE.replace_all(text, "");
    let targets = LINK.captures_iter(&text).map(|found| {
        let target = found.iter().skip(1).flatten().next().unwrap();
        target.as_str().to_owned()
    });
    targets.filter(|it| !it.contains("://") && !it.starts_with("mailto:")).collect()
}

/// Returns the anchors of the headings of a document, as GitHub and mdBook form them.
fn anchors(text: &str) -> BTreeSet<String> {
    let fences = Regex::new(r"(?ms)^ *```.*?^ *```").unwrap();
    let text = fences.replace_all(text, "");
    let mut seen = BTreeMap::<_, usize>::new();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchors = headings.map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|it| it.is_alphanumeric() || "-_ ".contains(*it));
        let anchor = kept.collect::<String>().replace(' ', "-");
        let times = seen.entry(anchor.clone()).or_default();
        *times += 1;
        if *times == 1 { anchor } else { format!("{anchor}-{}", *times - 1) }
    });
    anchors.collect()
}

/// Returns the path of a link's target, from the root of the repository.
fn resolved(document: &Path, target: &str) -> PathBuf {
    if target.is_empty() {
        return document.to_owned();
    }
    let mut path = document.parent().unwrap().to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{target} leaves the repository"),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}

#[test]
fn every_link_of_a_document_leads_to_a_file_and_a_heading() {
    let mut count = 0;
    let mut dead = Vec::new();
    for path in documents() {
        for link in links(&document(&path)) {
            count += 1;
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = resolved(&path, target);
            // A page of the book cannot lead to a file outside the book.
            let leads = repository(&target).exists()
                && (!path.starts_with("docs") || target.starts_with("docs"))
                && (anchor.is_empty() || anchors(&document(&target)).contains(anchor));
            if !leads {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
    assert!(count > 200, "{count}");
}

#[test]
fn every_page_is_in_the_summary_of_the_book() {
    let linked = links(&document("docs/SUMMARY.md"));
    let linked: BTreeSet<_> = linked.iter().map(|it| Path::new("docs").join(it)).collect();
    let pages = documents().into_iter().filter(|path| path.starts_with("docs"));
    let missing: Vec<_> =
        pages.filter(|path| !linked.contains(path) && !path.ends_with("SUMMARY.md")).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
