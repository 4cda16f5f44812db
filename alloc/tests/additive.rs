//! Things that no feature may change: the shared types, and the existing functions.

use sluicegate_alloc::region::{Region, outside};
use sluicegate_alloc::{SELECTED, Snapshot, Usage, limit, live, snapshot, usage};

/// Expands to `true` if a type is `Sync`. An inherent constant then hides that of the trait.
macro_rules! is_sync {
    ($type:ty) => {{
        struct Of<T>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "used only if the other one does not apply")]
        trait Otherwise {
            const SYNC: bool = false;
        }
        impl<T> Otherwise for Of<T> {}
        impl<T: Sync> Of<T> {
            #[allow(dead_code, reason = "used only if it applies")]
            const SYNC: bool = true;
        }
        <Of<$type>>::SYNC
    }};
}

const fn send<T: Send>() {}

#[test]
fn a_region_is_one_thread_s_with_every_feature() {
    const { assert!(!is_sync!(Region)) };
    const { assert!(is_sync!(Snapshot)) };
    const { send::<Region>() };
    let region = Region::new();
    assert_eq!(region.within(|| outside(|| 7)), 7);
}

#[test]
fn the_functions_are_there_with_every_feature() {
    let (_, usage, snapshot): (usize, Usage, Snapshot) = (live(), usage(), snapshot());
    assert_eq!(limit(usize::MAX), !matches!(SELECTED, None | Some("system")));
    if SELECTED.is_none() {
        assert_eq!((usage, snapshot), (Usage::default(), Snapshot::default()));
    }
}

/// Returns cargo's tree of a package with these features: a line for each package, with the
/// features that are on.
fn tree(package: &str, features: &str) -> String {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", package, "--edges", "normal", "--prefix", "none"])
        .args(["--no-default-features", "--features", features, "--format", "{p} [{f}]"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[cfg(not(miri))]
fn only_who_asks_for_talc_gets_it() {
    for features in ["freelist", "arena", "system", "freelist,live,stats,profile"] {
        let tree = tree("sluicegate-alloc", features);
        assert_eq!(tree.lines().count(), 1, "{features} brings more than the crate itself: {tree}");
    }
    assert!(tree("sluicegate-alloc", "talc").contains("\ntalc "));
}

/// Statistics of all kinds cost a pair of blocks ten times as many instructions.
#[test]
#[cfg(not(miri))]
fn the_budgets_of_the_sdk_turn_on_live_bytes_alone() {
    let tree = tree("sluicegate", "budget");
    let ours = tree.lines().find(|line| line.starts_with("sluicegate-alloc ")).unwrap();
    assert!(ours.ends_with("[live]"), "{ours}");
}
