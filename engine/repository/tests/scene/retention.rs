//! Retention: what goes, what stays and why, and that restic still finds everything in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_kernel::id::{Millis, RunId};
use holdfast_repository::backup_set::{BackupSet, Completeness, SetId};
use holdfast_repository::manifest::Missing;
use holdfast_repository::prune::{KeepRules, PruneRequest, Pruning, newest_complete};
use holdfast_repository::{Fault, Permit, Refused, Repository};

use crate::kit::{PASSWORD, Scene, always, at, capture, effect, noise, run, seal_request, unit};
use crate::sources::{Tree, file};

const DAY: i64 = 24 * 60 * 60;

/// A set of run `number`, sealed on that day.
fn set(scene: &Scene, number: u8, day: i64, target: &str, completeness: Completeness) -> BackupSet {
    let (run, content) = (run(number), noise(u64::from(number), 200_000));
    capture(&scene.repository, Tree::of([file("a", content)]), run, "one").unwrap();
    let mut request = seal_request(run, &["one"]);
    request.at = at(day * DAY);
    target.clone_into(&mut request.target.name);
    if completeness == Completeness::Partial {
        let missing = Missing { what: "folder b".to_owned(), reason: "no permission".to_owned() };
        request.left_out = vec![missing];
        request.completeness = completeness;
    }
    let sealed = scene.repository.seal(&request, &always()).unwrap();
    assert_eq!(sealed.set.completeness, completeness);
    scene.repository.remove_units(run, &always()).unwrap();
    sealed.set
}

fn last(count: u32) -> PruneRequest {
    PruneRequest {
        keep: KeepRules { last: Some(count), ..KeepRules::default() },
        ..PruneRequest::default()
    }
}

fn plan(scene: &Scene, request: &PruneRequest, day: i64) -> Pruning {
    let asked = |_: &[BackupSet]| Ok::<_, Refused>(request.clone());
    scene.repository.plan_prune(asked, at(day * DAY)).unwrap()
}

fn prune(scene: &Scene, request: &PruneRequest, day: i64) -> Pruning {
    let asked = |_: &[BackupSet]| Ok::<_, Refused>(request.clone());
    scene.repository.prune(asked, at(day * DAY), &always()).unwrap()
}

/// Each set by its run, whether it stays and why.
fn told(pruning: &Pruning) -> Vec<(RunId, bool, &str)> {
    let sets = pruning.sets.iter();
    sets.map(|verdict| (verdict.set.run, verdict.stays, verdict.reason.as_str())).collect()
}

#[test]
fn inv_11_each_set_stays_or_goes_with_its_reason_and_restic_finds_no_error() {
    use Completeness::{Complete, Partial};
    let scene = Scene::new();
    let old = set(&scene, 1, 1, "documents", Complete);
    let referenced = set(&scene, 2, 2, "documents", Complete);
    let overtaken = set(&scene, 3, 3, "documents", Partial);
    let second = set(&scene, 4, 4, "documents", Complete);
    let newest = set(&scene, 5, 5, "documents", Complete);
    let latest = set(&scene, 6, 6, "documents", Partial);
    let alone = set(&scene, 7, 1, "mail", Partial);
    let unproved = set(&scene, 8, 1, "wages", Complete);
    set(&scene, 9, 2, "wages", Complete);
    let mut request = last(2);
    request.referenced =
        BTreeMap::from([(referenced.id.clone(), "plan_1 needs it until it expires".to_owned())]);
    let wages = ("wages".to_owned(), None);
    request.unverified = BTreeMap::from([(wages, "it was not verified".to_owned())]);

    let overtaken_by = format!("it is partial, and {} is newer and complete", newest.id);
    let expected = vec![
        (run(6), true, "it is partial, and nothing complete is newer"),
        (run(5), true, "it is the newest complete one"),
        (run(4), true, "kept as last"),
        (run(3), false, overtaken_by.as_str()),
        (run(2), true, "plan_1 needs it until it expires"),
        (run(1), false, "no rule keeps it"),
        (run(7), true, "it is partial, and nothing complete is there"),
        (run(9), true, "it is the newest complete one"),
        (run(8), true, "it was not verified"),
    ];
    let planned = plan(&scene, &request, 10);
    assert_eq!(told(&planned), expected);
    assert!(planned.freed_bytes > 400_000, "what two sets held: {}", planned.freed_bytes);
    assert_eq!(scene.snapshot_count(), 9, "a plan changes nothing");

    assert_eq!(prune(&scene, &request, 10), planned);
    let left: BTreeSet<_> =
        scene.repository.sets().unwrap().into_iter().map(|set| set.id).collect();
    let mut stay: BTreeSet<_> = [&referenced, &second, &newest, &latest, &alone, &unproved]
        .map(|set| set.id.clone())
        .into();
    assert!(!left.contains(&old.id) && !left.contains(&overtaken.id));
    stay.retain(|id| !left.contains(id));
    assert_eq!(stay, BTreeSet::new(), "all of them are there");
    scene.check();
}

#[test]
fn inv_11_the_newest_complete_set_stays_whatever_the_rules_say() {
    let scene = Scene::new();
    set(&scene, 1, 1, "documents", Completeness::Complete);
    let partial: Vec<_> =
        (2..6).map(|n| set(&scene, n, i64::from(n), "documents", Completeness::Partial)).collect();
    let request = PruneRequest {
        keep: KeepRules { within: Some(Millis::seconds(60)), ..KeepRules::default() },
        ..PruneRequest::default()
    };
    let pruning = prune(&scene, &request, 400);
    assert!(pruning.sets.iter().all(|verdict| verdict.stays), "{pruning:#?}");
    assert_eq!(scene.snapshot_count(), 1 + partial.len());
}

#[test]
fn inv_11_a_set_whose_run_has_not_ended_stays() {
    let scene = Scene::new();
    for number in 1..4 {
        set(&scene, number, i64::from(number), "documents", Completeness::Complete);
    }
    let mut request = last(1);
    request.active = BTreeSet::from([run(1)]);
    let pruning = plan(&scene, &request, 10);
    let told: Vec<_> = pruning.sets.iter().map(|one| (one.set.run, one.stays)).collect();
    assert_eq!(told, [(run(3), true), (run(2), false), (run(1), true)]);
}

#[test]
fn rules_by_the_clock_keep_one_of_each_time() {
    let scene = Scene::new();
    for (number, day) in [(1, 1), (2, 2), (3, 9), (4, 10), (5, 40)] {
        set(&scene, number, day, "documents", Completeness::Complete);
    }
    let kept = |keep: KeepRules| -> Vec<RunId> {
        let pruning = plan(&scene, &PruneRequest { keep, ..PruneRequest::default() }, 41);
        pruning.sets.iter().filter(|one| one.stays).map(|one| one.set.run).collect()
    };
    let daily = KeepRules { daily: Some(2), ..KeepRules::default() };
    assert_eq!(kept(daily), [run(5), run(4)]);
    let monthly = KeepRules { monthly: Some(2), ..KeepRules::default() };
    assert_eq!(kept(monthly), [run(5), run(4)], "of April and of March");
    let within = KeepRules { within: Some(Millis::seconds(32 * 86_400)), ..KeepRules::default() };
    assert_eq!(kept(within), [run(5), run(4), run(3)]);
}

#[test]
fn units_of_a_run_that_ended_long_ago_without_a_set_go() {
    let scene = Scene::new();
    for number in 1..4 {
        let tree = Tree::of([file("a", noise(u64::from(number), 1000))]);
        let mut request = unit(tree, run(number), "one");
        request.at = at(if number == 3 { 19 * DAY } else { 0 });
        scene.repository.capture_unit(&request, &always()).unwrap();
    }
    let mut request = last(1);
    request.active = BTreeSet::from([run(2)]);
    assert_eq!(prune(&scene, &request, 20).units, 1, "that of run 1");
    let there = |number| scene.repository.probe_unit(run(number), effect(run(number), "one"));
    assert!(there(1).unwrap().is_none());
    assert!(there(2).unwrap().is_some(), "its run works on");
    assert!(there(3).unwrap().is_some(), "a retry may still want it");
    scene.check();
}

#[test]
fn a_prune_that_lost_its_permit_removes_nothing() {
    let scene = Scene::new();
    set(&scene, 1, 1, "documents", Completeness::Complete);
    set(&scene, 2, 2, "documents", Completeness::Complete);
    let never: Permit = Arc::new(|| false);
    let asked = |_: &[BackupSet]| Ok::<_, Refused>(last(1));
    let refused = scene.repository.prune(asked, at(3 * DAY), &never).unwrap_err();
    assert!(matches!(refused, Refused::Cancelled), "{refused:?}");
    assert_eq!(scene.snapshot_count(), 2);
}

#[test]
fn the_newest_complete_set_is_that_of_its_target_and_object() {
    let scene = Scene::new();
    let first = set(&scene, 1, 1, "documents", Completeness::Complete);
    let second = set(&scene, 2, 2, "documents", Completeness::Complete);
    let sets = [second.clone(), first];
    assert_eq!(
        newest_complete(&sets),
        BTreeMap::from([(("documents".to_owned(), None), second.id)])
    );
}

/// The repository of a scene, copied to another folder.
fn copied(scene: &Scene, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(scene.path()).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Prunes in a process that dies before its write number `at`. Whether it got to its end before that.
fn prune_dying(path: &Path, day: i64, at: usize) -> bool {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "retention::inv_11_a_prune_that_is_killed_anywhere_costs_nothing"])
        .env(DYING, format!("{}:{day}:{at}", path.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    ended.success()
}

/// Where, on which day and before which write the other process dies.
const DYING: &str = "HOLDFAST_TEST_DYING_PRUNE";

fn die_in_prune(order: &str) {
    let mut order = order.rsplitn(3, ':');
    let (number, day) = (order.next().unwrap(), order.next().unwrap());
    let number: usize = number.parse().unwrap();
    let writes = AtomicUsize::new(0);
    let fault: Fault = Arc::new(move |_| {
        if writes.fetch_add(1, Ordering::SeqCst) == number {
            std::process::abort();
        }
        None
    });
    let path = Path::new(order.next().unwrap());
    let repository = Repository::open(path, PASSWORD).unwrap().with_fault(fault);
    let asked = |_: &[BackupSet]| Ok::<_, Refused>(last(1));
    repository.prune(asked, at(day.parse::<i64>().unwrap() * DAY), &always()).unwrap();
}

#[test]
fn inv_11_a_prune_that_is_killed_anywhere_costs_nothing() {
    if let Ok(order) = std::env::var(DYING) {
        return die_in_prune(&order);
    }
    let scene = Scene::new();
    let goes = set(&scene, 1, 1, "documents", Completeness::Complete);
    let partial = set(&scene, 2, 2, "documents", Completeness::Partial);
    let stays = set(&scene, 3, 3, "documents", Completeness::Complete);
    let other = set(&scene, 4, 1, "mail", Completeness::Complete);
    let mut killed = 0;
    // The second one deletes what the first one marked.
    for days in [&[10][..], &[10, 20]] {
        for number in 0.. {
            let folder = tempfile::tempdir().unwrap();
            copied(&scene, folder.path());
            let path = folder.path().join(scene.path().file_name().unwrap());
            let (day, before) = days.split_last().unwrap();
            assert!(before.iter().all(|day| prune_dying(&path, *day, usize::MAX)));
            let ended = prune_dying(&path, *day, number);
            let copy =
                Scene { home: folder, repository: Repository::open(&path, PASSWORD).unwrap() };
            std::fs::write(copy.home.path().join("key"), PASSWORD).unwrap();
            let there = || -> BTreeSet<_> {
                copy.repository.sets().unwrap().into_iter().map(|set| set.id).collect()
            };
            let kept =
                |ids: BTreeSet<SetId>| [&stays, &other].iter().all(|set| ids.contains(&set.id));
            assert!(kept(there()), "killed before write {number} of day {day}");
            copy.restic_ok(&["check"]);
            prune(&copy, &last(1), *day);
            assert!(kept(there()) && !there().contains(&goes.id) && !there().contains(&partial.id));
            copy.check();
            if ended {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed > 8, "{killed} moments");
}
